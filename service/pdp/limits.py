"""How much one policy, request or expression may ask for: every bound of the engine, with its reason."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep a hostile or broken input from occupying the engine.

    Whatever exceeds a bound of a policy is refused at load; whatever exceeds a bound of a request is refused
    when it is read; what is only known while deciding makes the decision Indeterminate.
    """

    policy_bytes: int = 16_000_000
    """Size of one policy file."""
    policy_depth: int = 64
    """Policy sets nested in each other, references followed."""
    policies: int = 100_000
    """Policies and policy sets of a snapshot, each counted as often as it is referred to."""
    expression_depth: int = 64
    """`Apply` elements nested in each other, variables followed."""
    expression_size: int = 10_000
    """Expressions in one condition, target or assignment, variables counted once."""
    request_bytes: int = 4_000_000
    """Size of one request."""
    attributes: int = 10_000
    """Attribute values in one request."""
    applications: int = 200_000
    """Times that higher-order functions may apply a function in one decision."""
    decisions: int = 1_000
    """Individual decisions that one request may ask for (Multiple Decision Profile)."""
    content_nodes: int = 20_000
    """Elements, attributes and texts in one `<Content>`, or in a whole request of XACML 2.0."""
    content_text: int = 500_000
    """Characters of text and attributes in the same: XPath may look at them once for every level of nesting."""
    xpath_length: int = 1_000
    """Characters of one XPath expression."""
    xpath_steps: int = 32
    """Location steps of one XPath expression."""
    xpath2_nodes: int = 1_000
    """Nodes of a `<Content>` that an expression of XPath 2.0 may look at: it is evaluated in Python."""


DEFAULT_LIMITS: Final = Limits()
