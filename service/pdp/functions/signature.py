"""What a function is: its address, the types it takes and gives, and the Python callable behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from service.pdp.datatypes import BOOLEAN, INTEGER, STRING, DataType

XACML_1: Final = "urn:oasis:names:tc:xacml:1.0:function:"
XACML_2: Final = "urn:oasis:names:tc:xacml:2.0:function:"
XACML_3: Final = "urn:oasis:names:tc:xacml:3.0:function:"


@dataclass(frozen=True, slots=True)
class Type:
    """The type of an expression: a data type, or a bag of values of that data type."""

    data_type: DataType
    bag: bool = False

    def __str__(self) -> str:
        return f"bag of {self.data_type.name}" if self.bag else self.data_type.name


A_BOOLEAN: Final = Type(BOOLEAN)
AN_INTEGER: Final = Type(INTEGER)
A_STRING: Final = Type(STRING)


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A first-order function of XACML 3.0, appendix A, whose arguments are evaluated before the call.

    `call` takes Python values by position, a bag as a tuple of values in no particular order, and returns a
    value or a tuple in the same way; it raises `EvaluationError`. It trusts its caller: number and types of
    the arguments were checked against `parameters` when the policy was loaded. If `variadic`, the last
    parameter may be repeated or left out, as long as there are `minimum` arguments.
    """

    uri: str
    parameters: tuple[Type, ...]
    result: Type
    call: Callable[..., Any]
    variadic: bool = False
    minimum: int = 0
