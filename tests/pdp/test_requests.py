"""Requests in XML: what is read, what is invalid, and that the quick reader reads what the careful one reads."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from service.pdp import XML, Attribute, AttributeGroup, Decision, Request, RequestError, Value, parse_request
from service.pdp.limits import DEFAULT_LIMITS
from service.pdp.request import canonical_type
from service.pdp.request_xml import _quick, _request
from service.pdp.xml_input import parse_xml
from tests.support.xacml_cases import cases_3_0
from tests.support.xacml_random import World
from tests.support.xacml_text import NAMESPACE, NOW, SUBJECT, SUBJECT_ID, XS, asking, load, policy, request_xml, rule

HEAD = f'<Request xmlns="{NAMESPACE}" ReturnPolicyIdList="false" CombinedDecision="false">'
ATTRIBUTE = (
    f'<Attribute AttributeId="a" IncludeInResult="false"><AttributeValue DataType="{XS}string">x</AttributeValue>'
)
GROUP = f'<Attributes Category="{SUBJECT}">{ATTRIBUTE}</Attribute></Attributes>'


def test_a_request_holds_what_was_sent():
    data = HEAD.replace("false", "true", 1) + (
        f'<Attributes Category="{SUBJECT}" xml:id="s"><Attribute AttributeId="a" Issuer="i" IncludeInResult="true">'
        f'<AttributeValue DataType="{XS}integer">1</AttributeValue><AttributeValue DataType="{XS}string"/>'
        f"</Attribute></Attributes></Request>"
    )
    asked = parse_request(data.encode(), XML)
    values = (Value(f"{XS}integer", "1"), Value(f"{XS}string", ""))
    assert asked.groups == (AttributeGroup(SUBJECT, (Attribute("a", values, "i", include_in_result=True),), None, "s"),)
    assert asked.return_policy_ids is True
    assert asked.included[0].attributes[0].attribute_id == "a"
    assert asked.table[SUBJECT, "a", f"{XS}integer"] == [("1", "i", None)]


def table_of(groups):
    table = {}
    for group in groups:
        for attribute in group.attributes:
            for value in attribute.values:
                key = (group.category, attribute.attribute_id, canonical_type(value.data_type))
                table.setdefault(key, []).append((value.text, attribute.issuer, value.xpath))
    return table


def read_both(data):
    root = parse_xml(data, max_bytes=DEFAULT_LIMITS.request_bytes)
    return _quick(root, DEFAULT_LIMITS), root


@given(st.integers(0, 1 << 30))
def test_the_quick_reader_reads_what_the_careful_one_reads(seed):
    world = World(random.Random(seed))
    quick, root = read_both(world.request().replace(b'IncludeInResult="true"', b'IncludeInResult="false"'))
    careful = _request(root, DEFAULT_LIMITS)
    assert quick.table == table_of(careful.groups)
    assert quick.groups == careful.groups
    assert (quick.single, quick.included) == (careful.single, careful.included) == (True, ())
    assert quick.return_policy_ids == careful.return_policy_ids


def test_the_quick_reader_reads_most_published_requests():
    requests = [case.request.read_bytes() for case in cases_3_0() if case.request.exists()]
    if not requests:
        pytest.skip("the conformance cases are not here")
    quick = [_quick(etree.fromstring(data, etree.XMLParser(remove_comments=True)), DEFAULT_LIMITS) for data in requests]
    assert sum(each is not None for each in quick) > len(requests) * 0.9


@pytest.mark.parametrize(
    "data",
    [
        HEAD
        + GROUP.replace("</Attribute>", f'<AttributeValue DataType="{XS}string"><b/></AttributeValue></Attribute>'),
        HEAD + GROUP.replace('IncludeInResult="false"', 'IncludeInResult="true"'),
        HEAD + GROUP * 2,
        HEAD + GROUP.replace("<Attributes ", '<Attributes xml:id="i" '),
        HEAD + GROUP.replace('AttributeId="a"', 'AttributeId="urn:oasis:names:tc:xacml:2.0:resource:scope"'),
        HEAD + f'<Attributes Category="c">{ATTRIBUTE}{ATTRIBUTE}</Attribute></Attribute></Attributes>',
        HEAD + f'<Attributes Category="c">{GROUP}</Attributes>',
        HEAD,
    ],
)
def test_the_quick_reader_leaves_what_is_not_simple_to_the_careful_one(data):
    quick, _ = read_both((data + "</Request>").encode())
    assert quick is None


@given(st.lists(st.integers(0, 12), max_size=6), st.integers(0, 1 << 20))
def test_no_nesting_deceives_the_quick_reader(moves, seed):
    """Elements moved into one another: the same names in the same order, but another tree."""
    root = etree.fromstring(World(random.Random(seed)).request())
    elements = list(root.iter())[1:]
    for move in moves:
        if len(elements) > 1:
            element = elements[move % (len(elements) - 1) + 1]
            before = element.getprevious()
            if before is not None and element.getparent() is not None:
                before.append(element)
    quick, again = read_both(etree.tostring(root))
    if quick is not None:
        assert quick.table == table_of(_request(again, DEFAULT_LIMITS).groups)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (f'<Request xmlns="{NAMESPACE}" CombinedDecision="false">{GROUP}', "has no attribute `ReturnPolicyIdList`"),
        (HEAD.replace("false", "maybe", 1) + GROUP, "must be `true` or `false`"),
        (HEAD, "at least one <Attributes>"),
        (HEAD + "<Attributes/>", "<Attributes> has no attribute `Category`"),
        (HEAD + "<Attribute/>", "unexpected element"),
        (
            HEAD + GROUP.replace(ATTRIBUTE, '<Attribute AttributeId="a" IncludeInResult="false">'),
            "at least one <AttributeV",
        ),
        (HEAD + GROUP.replace(f' DataType="{XS}string"', ""), "<AttributeValue> has no attribute `DataType`"),
        (HEAD + GROUP.replace('AttributeId="a"', 'AttributeId="a" Isuer="i"'), "unknown attribute `Isuer`"),
        (HEAD + GROUP.replace("<Attributes ", '<Attributes Kategory="c" '), "unknown attribute `Kategory`"),
        (HEAD.replace("<Request ", '<Request Version="3.0" ') + GROUP, "unknown attribute `Version` of <Request>"),
        (HEAD + GROUP.replace(">x<", "><b/><"), "unexpected element"),
        (HEAD + GROUP + "<RequestDefaults/>", "unexpected element"),
        (
            HEAD + "<RequestDefaults><XPathVersion>9</XPathVersion></RequestDefaults>" + GROUP,
            "no known version of XPath",
        ),
        (HEAD + f'<Attributes Category="c"><Content/>{ATTRIBUTE}</Attribute></Attributes>', "exactly one element"),
        (HEAD + f'<Attributes Category="c">{ATTRIBUTE}</Attribute><Content><b/></Content></Attributes>', "unexpected"),
    ],
)
def test_an_invalid_request_is_indeterminate_and_says_what_is_wrong(data, message):
    asked = parse_request(f"{data}</Request>".encode(), XML)
    result = load(policy("p", rule("r", "Permit"))).decide(asked, now=NOW).result
    assert result.decision is Decision.INDETERMINATE
    assert result.status.code.endswith(":syntax-error")
    assert message in result.status.message


@pytest.mark.parametrize(
    "data",
    [
        '<Request xmlns="urn:oasis:names:tc:xacml:2.0:context:schema:os"/>',
        '<Request xmlns="urn:oasis:names:tc:xacml:2.0:context:schema:os"><Resource Kind="x"/></Request>',
        '<Request xmlns="urn:oasis:names:tc:xacml:2.0:context:schema:os"><Object/></Request>',
        '<Response xmlns="urn:oasis:names:tc:xacml:2.0:context:schema:os"/>',
        "<Request/>",
        f'<Policy xmlns="{NAMESPACE}"/>',
    ],
)
def test_an_invalid_root_or_an_invalid_request_of_2_0_is_indeterminate(data):
    result = load(policy("p", rule("r", "Permit"))).decide(parse_request(data.encode(), XML), now=NOW).result
    assert result.decision is Decision.INDETERMINATE


def test_an_unknown_media_type_is_refused():
    with pytest.raises(RequestError, match="unknown media type `text/plain`"):
        parse_request(b"", "text/plain")


def test_a_media_type_may_have_parameters():
    assert parse_request(request_xml((SUBJECT_ID, "string", "ann")), "Application/XACML+XML; charset=utf-8").groups


def test_a_value_that_is_none_of_its_type_is_a_syntax_error_where_it_is_needed():
    text = policy(
        "p",
        rule(
            "r",
            "Permit",
            f'<Target><AnyOf><AllOf><Match MatchId="urn:oasis:names:tc:xacml:1.0:function:integer-equal">'
            f'<AttributeValue DataType="{XS}integer">1</AttributeValue><AttributeDesignator Category="{SUBJECT}"'
            f' AttributeId="n" DataType="{XS}integer" MustBePresent="false"/></Match></AllOf></AnyOf></Target>',
        ),
    )
    snapshot = load(text)
    result = snapshot.decide(parse_request(request_xml(("n", "integer", "one")), XML), now=NOW).result
    assert (result.decision, result.extent) == (Decision.INDETERMINATE, "P")
    assert result.status.code.endswith(":syntax-error")
    assert snapshot.decide(asking("ann"), now=NOW).decision is Decision.NOT_APPLICABLE


def test_a_request_can_be_made_without_any_syntax():
    group = AttributeGroup(SUBJECT, (Attribute(SUBJECT_ID, (Value(f"{XS}string", "ann"),)),))
    snapshot = load(policy("p", rule("r", "Permit")))
    assert snapshot.decide(Request((group,)), now=NOW).decision is Decision.PERMIT
