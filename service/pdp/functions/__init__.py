"""All first-order functions of XACML 3.0, appendix A, by address.

Not among them are those that do not evaluate all their arguments first (`and`, `or`, `n-of`), that take a
function (`any-of` and its kin, `map`), or that look into the request (`xpath-node-…`, `access-permitted`):
they are forms of their own in the evaluator.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import chain
from types import MappingProxyType
from typing import Final

from service.pdp.datatypes import DATA_TYPES
from service.pdp.functions.arithmetic import ARITHMETIC_FUNCTIONS
from service.pdp.functions.bags import BAG_FUNCTIONS
from service.pdp.functions.conversion import CONVERSION_FUNCTIONS
from service.pdp.functions.dates import DATE_FUNCTIONS
from service.pdp.functions.equality import EQUALITY_FUNCTIONS
from service.pdp.functions.matching import MATCHING_FUNCTIONS
from service.pdp.functions.signature import Function, Type
from service.pdp.functions.strings import STRING_FUNCTIONS

__all__ = ["FUNCTIONS", "Function", "Type", "suggest"]

FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        function.uri: function
        for function in chain(
            EQUALITY_FUNCTIONS,
            ARITHMETIC_FUNCTIONS,
            STRING_FUNCTIONS,
            CONVERSION_FUNCTIONS,
            DATE_FUNCTIONS,
            BAG_FUNCTIONS,
            MATCHING_FUNCTIONS,
        )
    }
)
"""The functions by address."""

_LEAST_LIKENESS: Final = 0.6
_LONGEST_ADDRESS: Final = 200


def suggest(uri: str, others: Iterable[str] = ()) -> str | None:
    """Return the known address that a wrong one was probably meant to be, or None if there is none near.

    Known are functions, data types and `others`. The last part of an address decides, because the parts
    before it are alike; among equally near ones the address that is alike as a whole.
    """
    if len(uri) > _LONGEST_ADDRESS:
        return None
    by_name: dict[str, list[str]] = {}
    for known in chain(FUNCTIONS, DATA_TYPES, others):
        if _may_be_a_function(known) == _may_be_a_function(uri):
            by_name.setdefault(_last_part(known).lower(), []).append(known)
    names = get_close_matches(_last_part(uri).lower(), by_name, n=1, cutoff=_LEAST_LIKENESS)
    candidates = by_name[names[0]] if names else []
    nearest = get_close_matches(uri, candidates, n=1, cutoff=0.0)
    return nearest[0] if nearest else None


def _may_be_a_function(uri: str) -> bool:
    """Tell functions from data types, whose addresses are of XML Schema or say that they are one."""
    return "#" not in uri and ":data-type:" not in uri


def _last_part(uri: str) -> str:
    return uri.rpartition("#")[2].rpartition(":")[2]
