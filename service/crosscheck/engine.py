"""Drives ndg-xacml: reads a policy and a request with it and evaluates them.

To be imported only after `translation.install`, in the process of `judge`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, Final

from lxml import etree
from ndg.xacml.core.attributevalue import AttributeValue, AttributeValueClassFactory
from ndg.xacml.core.context.exceptions import XacmlContextError
from ndg.xacml.core.functions import XacmlFunctionNames, functionMap
from ndg.xacml.core.policy_combining_alg import PolicyCombiningAlgClassFactory
from ndg.xacml.core.policybase import PolicyBase
from ndg.xacml.core.rule_combining_alg import RuleCombiningAlgClassFactory
from ndg.xacml.finder.policyfinderbase import PolicyFinderBase
from ndg.xacml.parsers.etree.context import RequestElementTree
from ndg.xacml.parsers.etree.factory import ReaderFactory

_LOGGER: Final = "ndg"
_LONGEST_REASON: Final = 300


class CannotJudgeError(Exception):
    """The engine has no opinion; the message says why."""


class _Failures(logging.Handler):
    """Keeps the exceptions that the engine swallows: it logs each one where it makes it Indeterminate."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - the record's text is no help
        error = sys.exc_info()[1]
        if error is not None:
            self.seen.append(error)


class _Library(PolicyFinderBase):  # type: ignore[misc] # the engine has no types
    """Finds the policies that are referred to among those that were sent along. The engine's own one goes online."""

    def __init__(self, documents: Iterable[etree._Element]) -> None:
        super().__init__()
        self._documents = {(name, each.get(name)): each for each in documents for name in ("PolicyId", "PolicySetId")}

    def findPolicy(self, policyIdReference: str, common: Any) -> Any:  # noqa: N802, N803 - the engine's names
        return self._find("PolicyId", policyIdReference.strip(), self.policyMap, common)

    def findPolicySet(self, policySetIdReference: str, common: Any) -> Any:  # noqa: N802, N803
        return self._find("PolicySetId", policySetIdReference.strip(), self.policySetMap, common)

    def _find(self, kind: str, reference: str, known: dict[str, Any], common: Any) -> Any:
        if reference not in known:
            PolicyBase.fromNestedSource(self._documents[kind, reference], common)  # which puts it among the known
        return known[reference]


class Engine:
    """ndg-xacml, asked for one decision at a time."""

    def __init__(self) -> None:
        self._failures = _Failures()
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(self._failures)
        logger.setLevel(logging.ERROR)
        logger.propagate = False

    def decide(self, policy: str, references: list[str], request: str) -> str:
        """The decision (`Permit`, `Deny`, `NotApplicable` or `Indeterminate`) on documents of XACML 2.0.

        Raises `CannotJudgeError` when the engine cannot read them, or when something in the engine itself fails while
        it evaluates: such a failure looks like Indeterminate from outside, but says nothing about the policy.
        """
        read = self._policy(policy, references)
        context = _request(request)
        self._failures.seen.clear()
        decision: str = read.evaluateResponse(context).results[0].decision.value
        for failure in self._failures.seen:
            if not isinstance(failure, XacmlContextError):
                raise CannotJudgeError(f"it fails while it evaluates: {_told(failure)}")
        return decision

    def _policy(self, policy: str, references: list[str]) -> Any:
        try:
            return PolicyBase.fromSource(_parsed(policy), ReaderFactory, _Library(map(_parsed, references)))
        except Exception as error:  # its readers raise whatever comes
            raise CannotJudgeError(f"it cannot read the policy: {_told(error)}") from error


def abilities() -> dict[str, list[str]]:
    """What the engine implements, as addresses: functions, combining algorithms, data types that it reads values of."""
    functions = [each for each in XacmlFunctionNames.FUNCTION_NAMES if functionMap.get(each) is not NotImplemented]
    algorithms = {**RuleCombiningAlgClassFactory.DEFAULT_MAP, **PolicyCombiningAlgClassFactory.DEFAULT_MAP}
    factory = AttributeValueClassFactory()
    return {
        "functions": functions,
        "algorithms": [name for name, found in algorithms.items() if found is not NotImplemented],
        # Its reader hands over the text of every value as it stands; only classes that hold text take it.
        "dataTypes": [each for each in AttributeValue.TYPE_URIS if factory(each).TYPE is str],
    }


def _request(request: str) -> Any:
    try:
        return RequestElementTree.fromXML(_parsed(request))
    except Exception as error:
        raise CannotJudgeError(f"it cannot read the request: {_told(error)}") from error


def _parsed(document: str) -> etree._Element:
    # The engine's own parser would read entities, from files and from the network.
    return etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST_REASON]
