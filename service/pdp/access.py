"""The function access-permitted (3.0 core, appendix A.3.16): would the policies permit a slightly other request?

It decides the request anew with the attributes of one category replaced. Policies may so ask themselves without
end: what is asked within a question within a question is bounded in depth and number.
"""

from typing import Final
from xml.sax.saxutils import quoteattr

from service.pdp.context import Context
from service.pdp.errors import SYNTAX_ERROR, EvaluationError, RequestError, quoted
from service.pdp.outcome import PERMIT
from service.pdp.request import AttributeGroup
from service.pdp.request_walk import InvalidRequestError
from service.pdp.request_xml import CONTEXT3, read_group
from service.pdp.xml_input import XmlError, parse_xml

_DEEPEST: Final = 4
# A question costs as much as the policies do; it is counted as this many applications of a function.
_COST: Final = 10_000


def access_permitted(category: str, attributes: str, context: Context) -> bool:
    """Whether the policies permit the request with other attributes in a category.

    `attributes` is what an `<Attributes>` element of that category would hold, in XML. Raises `EvaluationError`.
    """
    if context.depth == _DEEPEST:
        raise EvaluationError(f"access-permitted: the policies ask themselves more than {_DEEPEST} levels deep")
    context.spend(_COST)
    group = _group(category, attributes, context)
    others = tuple(each for each in context.request.groups if each.category != category)
    verdict = context.asked_again(context.request.with_groups((*others, group))).verdict
    if verdict.extent:
        raise EvaluationError(f"access-permitted: the decision about other attributes of {quoted(category)} failed")
    return verdict is PERMIT


def _group(category: str, attributes: str, context: Context) -> AttributeGroup:
    text = f'<Attributes xmlns="{CONTEXT3}" Category={quoteattr(category)}>{attributes}</Attributes>'
    try:
        return read_group(parse_xml(text, max_bytes=context.limits.request_bytes), context.limits)
    except (XmlError, InvalidRequestError, RequestError) as error:
        raise EvaluationError(f"access-permitted: {error}", SYNTAX_ERROR) from None
