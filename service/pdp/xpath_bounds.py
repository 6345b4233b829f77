"""Which XPath expressions may run: those whose time is bounded by the size of the content.

libxml2 cannot be stopped while it evaluates, and merges node sets in quadratic time, so an expression is judged
before it is used. It may go down as it likes, but search descendants only once on its way; a predicate, which
runs for every node, may only look down from its node. What reads files, the clock or variables, what matches
with a backtracking engine, and what loops, is refused whatever it is used for.

The judged tree is elementpath's, for XPath 1.0 and 2.0 alike.
"""

from typing import Any, Final

from service.pdp.errors import quoted
from service.pdp.limits import Limits

_SEARCHES: Final = frozenset({"descendant", "descendant-or-self", "ancestor", "ancestor-or-self"})
_UPWARD: Final = frozenset({"..", "parent", "ancestor", "ancestor-or-self"})
_AXES: Final = frozenset({"child", "attribute", "self", "parent"}) | _SEARCHES
_PATHS: Final = frozenset({"/", "//"})
_STEPS: Final = frozenset({"(name)", ":", ".", ".."})
_OPERATORS: Final = frozenset(
    {"or", "and", "=", "!=", "<", ">", "<=", ">=", "+", "-", "*", "div", "mod", "|", "(", "[", "/", "//"}
)
_OPERATORS_2: Final = frozenset(
    {"idiv", "union", "intersect", "except", "eq", "ne", "lt", "gt", "le", "ge", ",", "if", "cast", "castable"}
)
_OPERANDS: Final = frozenset({"@", ":", ".", "..", "(name)", "(string)", "(integer)", "(decimal)", "(float)"})
# XPath 1.0, section 4, without `id`, which needs a DTD
_FUNCTIONS: Final = frozenset(
    {
        "last",
        "position",
        "count",
        "local-name",
        "namespace-uri",
        "name",
        "string",
        "concat",
        "starts-with",
        "contains",
        "substring-before",
        "substring-after",
        "substring",
        "string-length",
        "normalize-space",
        "translate",
        "boolean",
        "not",
        "true",
        "false",
        "lang",
        "number",
        "sum",
        "floor",
        "ceiling",
        "round",
    }
)
# XQuery operators: those that look at every value once
_FUNCTIONS_2: Final = frozenset(
    {
        "abs",
        "avg",
        "min",
        "max",
        "exists",
        "empty",
        "data",
        "lower-case",
        "upper-case",
        "ends-with",
        "string-join",
        "compare",
        "codepoint-equal",
        "zero-or-one",
        "one-or-more",
        "exactly-one",
        "node-name",
    }
)
_KNOWN: Final = _OPERATORS | _OPERATORS_2 | _OPERANDS
_LONGEST_ALPHABET: Final = 64
_DEEPEST: Final = 64


def check_bounds(tree: Any, limits: Limits) -> None:
    """Raise ValueError with the reason if a parsed expression is not one that may run."""
    steps = _steps(tree, 0)
    if steps > limits.xpath_steps:
        raise ValueError(f"it has {steps} steps, more than {limits.xpath_steps}")
    for token in tree.iter():
        _check_token(token)
    _searches(tree, 0, repeated=False, inside=False)


def _steps(token: Any, depth: int) -> int:
    if depth > _DEEPEST:
        raise ValueError(f"it nests deeper than {_DEEPEST} levels")
    is_call = token.symbol == ":" and token[-1].label in {"function", "constructor function"}
    if not is_call and (token.symbol in _STEPS or token.label in {"kind test", "wildcard symbol"}):
        return 1
    return sum(_steps(child, depth + 1) for child in token)


def _check_token(token: Any) -> None:
    symbol, label = token.symbol, token.label
    if label in {"kind test", "sequence type", "constructor function", "wildcard symbol"}:
        return
    if label == "axis":
        if symbol not in _AXES:
            raise ValueError(f"the axis {quoted(symbol)} can take very long: select with a predicate instead")
    elif label == "function":
        if symbol not in _FUNCTIONS and symbol not in _FUNCTIONS_2:
            raise ValueError(f"the function {quoted(symbol)} is not available")
        if symbol == "translate":
            _check_alphabet(token)
    elif symbol not in _KNOWN:
        raise ValueError(f"{quoted(symbol)} is not available")


def _check_alphabet(token: Any) -> None:
    """`translate` looks every character up in its alphabet, one after the other."""
    alphabet = token[1] if len(token) > 1 else None
    if alphabet is None or alphabet.symbol != "(string)" or len(alphabet.value) > _LONGEST_ALPHABET:
        raise ValueError(f"`translate` needs a literal alphabet of at most {_LONGEST_ALPHABET} characters")


def _searches(token: Any, before: int, *, repeated: bool, inside: bool) -> int:
    """Count the searches on the way to a token's nodes; ValueError if its time has no good bound.

    `before` is the count up to the token's context node. `repeated` says that the token is evaluated for each
    of many context nodes, `inside` that it is so as an expression of its own, not as a step.
    """
    symbol = token.symbol
    if symbol in _PATHS and token.label == "operator":
        return _path_searches(token, before, repeated=repeated, inside=inside)
    if inside and symbol in _UPWARD:
        raise ValueError("a predicate looks up or across: it may only look down from its node")
    if inside and symbol == "translate" and token[0].symbol != "@":
        raise ValueError("`translate` in a predicate takes an attribute only: text could be long")
    if symbol == "[":
        after = _searches(token[0], before, repeated=repeated, inside=inside)
        _searches(token[1], after, repeated=True, inside=True)
        return after
    if token.label == "axis":
        return _counted(before + (symbol in _SEARCHES))
    return max(
        (_searches(child, before, repeated=repeated, inside=inside or repeated) for child in token),
        default=before,
    )


def _path_searches(token: Any, before: int, *, repeated: bool, inside: bool) -> int:
    if len(token) < 2:
        if repeated:
            raise ValueError("a predicate looks up or across: it may only look down from its node")
        before = 0
    else:
        before = _searches(token[0], before, repeated=repeated, inside=inside)
    after = _counted(before + (token.symbol == "//"))
    return _searches(token[-1], after, repeated=True, inside=inside) if len(token) else after


def _counted(searches: int) -> int:
    if searches > 1:
        raise ValueError("it searches among what was searched for: use `//` or a descendant axis once at most")
    return searches
