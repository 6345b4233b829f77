"""What a policy is, once it was read and found right: the frozen model that both evaluators work from.

XACML 2.0 and 3.0 become the same model; `xacml2` marks the few places where their semantics differ. Every
expression carries its type, every reference between variables is resolved, every XPath is compiled. Only
`Reference` still needs `service.pdp.linking`, because it points into other files.

Nodes compare by identity: they are places in a file, not values.
"""

from dataclasses import dataclass
from typing import Any, Final

from service.pdp.datatypes import BOOLEAN, INTEGER, STRING, DataType
from service.pdp.functions import Function, Type
from service.pdp.response import Decision, PolicyId
from service.pdp.xpath import XPath

BOOLEAN_TYPE: Final = Type(BOOLEAN)
INTEGER_TYPE: Final = Type(INTEGER)
STRING_TYPE: Final = Type(STRING)


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """`<AttributeValue>` (3.0 core, section 5.31), or a function of constants, evaluated at load."""

    type: Type
    value: Any
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Designator:
    """`<AttributeDesignator>` (3.0 core, section 5.29): a bag of attribute values of the request."""

    category: str
    attribute_id: str
    data_type: DataType
    issuer: str | None
    must_be_present: bool
    line: int

    @property
    def type(self) -> Type:
        """A bag of its data type."""
        return Type(self.data_type, bag=True)


@dataclass(frozen=True, slots=True, eq=False)
class Selector:
    """`<AttributeSelector>` (3.0 core, section 5.30): a bag of values found in `<Content>` by an XPath."""

    category: str | None
    """None: the whole request document, as XACML 2.0 has it (2.0 core, section 5.41)."""
    xpath: XPath
    data_type: DataType
    context_selector_id: str | None
    must_be_present: bool
    line: int

    @property
    def type(self) -> Type:
        """A bag of its data type."""
        return Type(self.data_type, bag=True)


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """`<VariableDefinition>` (3.0 core, section 5.24)."""

    variable_id: str
    expression: "Expression"
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class VariableUse:
    """`<VariableReference>` (3.0 core, section 5.25)."""

    variable: Variable
    line: int

    @property
    def type(self) -> Type:
        """The type of the variable's expression."""
        return self.variable.expression.type


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """`<Apply>` of a function whose arguments are all evaluated first (3.0 core, section 5.27)."""

    function: Function
    arguments: tuple["Expression", ...]
    line: int

    @property
    def type(self) -> Type:
        """What the function returns."""
        return self.function.result


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """`<Apply>` of a function that decides itself what to evaluate: see `service.pdp.forms`.

    `name` is the function's short name; `function` the function that a higher-order one applies.
    """

    name: str
    uri: str
    function: Function | None
    arguments: tuple["Expression", ...]
    type: Type
    line: int
    namespaces: tuple[tuple[str, str], ...] = ()
    """Prefixes in scope, for the XPath functions of XACML 1 and 2, which take paths as strings."""
    xpath_version: str = "1.0"
    """What the policy's defaults say, for the XPath functions."""


Expression = Constant | Designator | Selector | VariableUse | Call | Form


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """`<Match>` (3.0 core, section 5.9): true if `function(value, v)` is for any value v of the bag."""

    function: Function
    value: Constant
    bag: Designator | Selector
    line: int


AllOf = tuple[Match, ...]
AnyOf = tuple[AllOf, ...]
Target = tuple[AnyOf, ...]
"""`<Target>` (3.0 core, section 5.6): empty, it matches every request."""


@dataclass(frozen=True, slots=True, eq=False)
class AssignmentExpression:
    """`<AttributeAssignmentExpression>` (3.0 core, section 5.41)."""

    attribute_id: str
    category: str | None
    issuer: str | None
    expression: Expression
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class ObligationExpression:
    """`<ObligationExpression>` or `<AdviceExpression>` (3.0 core, sections 5.39 and 5.40)."""

    id: str
    on: Decision
    is_advice: bool
    assignments: tuple[AssignmentExpression, ...]
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """`<Rule>` (3.0 core, section 5.21)."""

    rule_id: str
    effect: Decision
    description: str
    target: Target
    condition: Expression | None
    obligations: tuple[ObligationExpression, ...]
    line: int


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Policy:
    """`<Policy>` (3.0 core, section 5.14)."""

    id: PolicyId
    description: str
    algorithm: str
    """The address of its rule combining algorithm."""
    target: Target
    rules: tuple[Rule, ...]
    obligations: tuple[ObligationExpression, ...]
    xacml2: bool
    file: str
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """`<PolicyIdReference>` or `<PolicySetIdReference>` (3.0 core, sections 5.10 and 5.11)."""

    id: str
    to_set: bool
    version: str | None
    earliest: str | None
    latest: str | None
    file: str
    line: int
    path: str


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class PolicySet:
    """`<PolicySet>` (3.0 core, section 5.2). After linking, `children` holds no `Reference` any more."""

    id: PolicyId
    description: str
    algorithm: str
    """The address of its policy combining algorithm."""
    target: Target
    children: tuple["Policy | PolicySet | Reference", ...]
    obligations: tuple[ObligationExpression, ...]
    xacml2: bool
    file: str
    line: int
