import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from service.pdp import (
    JSON,
    XML,
    Decision,
    Limits,
    Request,
    RequestError,
    compile_policies,
    encode_response,
    parse_request,
)
from service.pdp.datatypes import ALL_DATA_TYPES, BOOLEAN, DOUBLE, INTEGER, STRING, XPATH_EXPRESSION
from service.pdp.request import RESOURCE, SUBJECT, Attribute, AttributeGroup, Value
from service.pdp.response import (
    Advice,
    Assignment,
    MissingAttribute,
    Obligation,
    PolicyId,
    Response,
    Result,
    Status,
)
from tests.support.xacml_cases import cases_3_0, hierarchy, role_of_doctors, told

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
PERMIT = (
    '<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="p" Version="1.0" RuleCombiningAlgId='
    '"urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:first-applicable"><Target/>'
    '<Rule RuleId="r" Effect="Permit"/></Policy>'
)


def read(request: Any, **limits: int) -> Request:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    return parse_request(body, JSON, limits=Limits(**limits))


def values_of(value: Any, **members: Any) -> tuple[Value, ...]:
    attribute = {"AttributeId": "urn:a", "Value": value, **members}
    request = read({"Request": {"Resource": {"Attribute": [attribute]}}})
    assert request.error is None
    return request.groups[0].attributes[0].values


def error_of(request: Any) -> str:
    error = read(request).error
    assert error is not None
    return error


def test_a_request_is_read_into_the_model():
    request = read(
        {
            "Request": {
                "ReturnPolicyIdList": True,
                "CombinedDecision": True,
                "XPathVersion": "http://www.w3.org/TR/2007/REC-xpath20-20070123",
                "AccessSubject": {
                    "Attribute": [
                        {"AttributeId": "urn:name", "Value": "Andreas", "Issuer": "me", "IncludeInResult": True}
                    ]
                },
                "Category": [{"CategoryId": "urn:own", "Attribute": [{"AttributeId": "urn:age", "Value": 7}]}],
            }
        }
    )
    assert request.error is None
    assert request.return_policy_ids
    assert request.combined_decision
    assert request.xpath_version == "2.0"
    assert request.groups == (
        AttributeGroup(SUBJECT, (Attribute("urn:name", (Value(STRING.uri, "Andreas"),), "me", True),)),
        AttributeGroup("urn:own", (Attribute("urn:age", (Value(INTEGER.uri, "7"),)),)),
    )


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("AccessSubject", "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"),
        ("RecipientSubject", "urn:oasis:names:tc:xacml:1.0:subject-category:recipient-subject"),
        ("IntermediarySubject", "urn:oasis:names:tc:xacml:1.0:subject-category:intermediary-subject"),
        ("Codebase", "urn:oasis:names:tc:xacml:1.0:subject-category:codebase"),
        ("RequestingMachine", "urn:oasis:names:tc:xacml:1.0:subject-category:requesting-machine"),
        ("Resource", "urn:oasis:names:tc:xacml:3.0:attribute-category:resource"),
        ("Action", "urn:oasis:names:tc:xacml:3.0:attribute-category:action"),
        ("Environment", "urn:oasis:names:tc:xacml:3.0:attribute-category:environment"),
    ],
)
def test_categories_have_short_names(name: str, category: str):
    group = {"Attribute": [{"AttributeId": "urn:a", "Value": "b"}]}
    by_name = read({"Request": {name: group}})
    by_id = read({"Request": {"Category": [{"CategoryId": name, **group}]}})
    in_full = read({"Request": {"Category": [{"CategoryId": category, **group}]}})
    assert by_name.groups == by_id.groups == in_full.groups
    assert in_full.groups[0].category == category


def test_an_array_under_a_short_name_repeats_the_category():
    request = read({"Request": {"Action": [{"Id": "a1"}, {"Id": "a2"}], "Resource": {}}})
    assert [group.xml_id for group in request.groups] == ["a1", "a2", None]
    assert not request.single


@pytest.mark.parametrize(
    ("value", "data_type", "texts"),
    [
        # section 3.3: a data type that is not given is inferred from the JSON value
        ("a", STRING, ["a"]),
        (True, BOOLEAN, ["true"]),
        (5, INTEGER, ["5"]),
        (5.5, DOUBLE, ["5.5"]),
        ([1, 2], INTEGER, ["1", "2"]),
        ([1, 2.5], DOUBLE, ["1", "2.5"]),
        ([True, False], BOOLEAN, ["true", "false"]),
        (["a", 1, True], STRING, ["a", "1", "true"]),
        (["2026-11-30"], STRING, ["2026-11-30"]),
    ],
)
def test_a_data_type_is_inferred(value: Any, data_type: Any, texts: list[str]):
    assert values_of(value) == tuple(Value(data_type.uri, text) for text in texts)


def test_numbers_keep_the_digits_that_they_were_written_with():
    body = b'{"Request":{"Resource":{"Attribute":[{"AttributeId":"urn:a","Value":[5.0,1e2,12345678901234567890]}]}}}'
    values = read(body).groups[0].attributes[0].values
    assert values == tuple(Value(DOUBLE.uri, text) for text in ("5.0", "1e2", "12345678901234567890"))


@pytest.mark.parametrize(
    ("value", "name", "uri", "text"),
    [
        ("2026-11-30", "date", "http://www.w3.org/2001/XMLSchema#date", "2026-11-30"),
        ("NaN", "double", DOUBLE.uri, "NaN"),
        (5, "string", STRING.uri, "5"),
        (5, "http://www.w3.org/2001/XMLSchema#double", DOUBLE.uri, "5"),
        ("a@b.c", "rfc822Name", "urn:oasis:names:tc:xacml:1.0:data-type:rfc822Name", "a@b.c"),
        ("x", "urn:own:type", "urn:own:type", "x"),
    ],
)
def test_a_data_type_is_given_by_address_or_short_name(value: Any, name: str, uri: str, text: str):
    assert values_of(value, DataType=name) == (Value(uri, text),)


def test_an_xpath_expression_is_an_object_with_its_prefixes():
    expression = {
        "XPathCategory": "Resource",
        "XPath": "md:record/md:patient",
        "Namespaces": [{"Prefix": "md", "Namespace": "urn:md"}, {"Namespace": "urn:default"}],
    }
    for members in ({}, {"DataType": "xpathExpression"}):
        (value,) = values_of(expression, **members)
        assert value.data_type == XPATH_EXPRESSION.uri
        assert value.xpath is not None
        assert value.xpath.expression == "md:record/md:patient"
        assert value.xpath.category == RESOURCE
        assert dict(value.xpath.namespaces) == {"md": "urn:md", "": "urn:default"}


@pytest.mark.parametrize(
    "content",
    [
        "<a><b>ü</b></a>",
        '  <?xml version="1.0" encoding="UTF-8"?><a><b>ü</b></a>',
        b64encode("<a><b>ü</b></a>".encode()).decode(),
        b64encode("<?xml version='1.0' encoding='ISO-8859-1'?><a><b>ü</b></a>".encode("latin-1")).decode(),
    ],
)
def test_content_is_xml_as_it_is_or_in_base64(content: str):
    request = read({"Request": {"Resource": {"Content": content}}})
    (group,) = request.groups
    assert group.content is not None
    assert etree.tostring(group.content, encoding="unicode") == "<a><b>ü</b></a>"
    assert group.content.getparent() is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<a>", "not well-formed XML"),
        ("neither", "neither XML nor base64"),
        ("", "neither XML nor base64"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "DOCTYPE"),
        (b64encode(b"<!DOCTYPE a><a/>").decode(), "DOCTYPE"),
    ],
)
def test_content_that_is_no_good_xml_makes_the_request_invalid(content: str, reason: str):
    error = error_of({"Request": {"Resource": {"Content": content}}})
    assert error.startswith("Resource[1]: `Content`")
    assert reason in error or content == ""


def test_several_decisions_are_asked_for_by_reference():
    request = read(
        {
            "Request": {
                "AccessSubject": [{"Id": "s1"}],
                "Action": [{"Id": "a1"}, {"Id": "a2"}],
                "MultiRequests": {"RequestReference": [{"ReferenceId": ["s1", "a1"]}, {"ReferenceId": ["s1", "a2"]}]},
            }
        }
    )
    assert request.references == (("s1", "a1"), ("s1", "a2"))


def test_an_attribute_without_values_is_no_attribute():
    request = read({"Request": {"Resource": {"Attribute": [{"AttributeId": "urn:a", "Value": []}]}}})
    assert request.error is None
    assert request.groups == (AttributeGroup(RESOURCE),)


def attribute(**members: Any) -> Any:
    return {"Request": {"Resource": {"Attribute": [{"AttributeId": "urn:a", "Value": 1, **members}]}}}


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ([], "expected an object with `Request`"),
        ({}, "expected an object with"),
        ({"Request": {}}, "at least one category"),
        ({"Request": {"Category": []}}, "at least one category"),
        ({"Request": {"Resource": {}}, "Other": 1}, "unknown member `Other`"),
        ({"Request": {"Resource": {}, "resource": {}}}, "unknown member `resource`"),
        ({"Request": {"Category": [{}]}}, "Category[1]: expected a string as `CategoryId`"),
        ({"Request": {"Resource": [{}, 5]}}, "Resource[2]: expected an object with"),
        ({"Request": {"Resource": {"CategoryId": "Action"}}}, "`CategoryId` names another category"),
        ({"Request": {"Resource": {}, "ReturnPolicyIdList": "true"}}, "expected `true` or `false`"),
        ({"Request": {"Resource": {}, "CombinedDecision": 1}}, "expected `true` or `false`"),
        ({"Request": {"Resource": {}, "XPathVersion": "urn:x"}}, "unknown `XPathVersion` `urn:x`"),
        ({"Request": {"Resource": {}, "MultiRequests": {"RequestReference": [{"ReferenceId": [1]}]}}}, "ReferenceId"),
        (attribute(AttributeId=None), "Resource[1]: Attribute[1]: expected a string as `AttributeId`"),
        (attribute(Value=None), "a `Value` is a string"),
        (attribute(Value=[None]), "a `Value` is a string"),
        (attribute(Value=[[1]]), "a `Value` is a string"),
        (attribute(Value={}, DataType="string"), "a `Value` is a string"),
        (attribute(Value={"XPath": "a"}), "expected a string as `CategoryId`"),
        (attribute(Value={"XPathCategory": "Resource"}), "expected a string as `XPath`"),
        (attribute(DataType="dateTmie"), "unknown data type `dateTmie`: did you mean `dateTime`?"),
        (attribute(DataType=5), "expected a string as `DataType`"),
        (attribute(IncludeInResult="yes"), "expected `true` or `false`"),
        (attribute(Values=1), "unknown member `Values`"),
        (attribute(Value="a\u0000b"), "characters that XACML cannot hold"),
        (attribute(Value="\ud800"), "characters that XACML cannot hold"),
        (attribute(Issuer="\udfff"), "characters that XACML cannot hold"),
    ],
)
def test_an_invalid_request_says_where_and_why(request_: Any, error: str):
    assert error in error_of(request_)


def test_an_attribute_must_have_a_value():
    assert "needs a member `Value`" in error_of({"Request": {"Resource": {"Attribute": {"AttributeId": "urn:a"}}}})


def test_a_repeated_member_makes_a_request_invalid():
    assert "`Action` occurs twice" in error_of(b'{"Request":{"Action":{},"Action":{}}}')


def test_an_invalid_request_is_decided_indeterminate():
    response = compile_policies([("p.xml", PERMIT.encode())]).decide(read({"Request": {}}), now=NOW)
    assert response.decision is Decision.INDETERMINATE
    assert response.result.status.code.endswith(":syntax-error")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not well-formed JSON"),
        (b'{"Request":', "not well-formed JSON"),
        (b"\xff", "not encoded in UTF-8"),
        ('{"Request": {}}'.encode("utf-16"), "not encoded in UTF-8"),
        (b'{"Request": NaN}', "`NaN` must be written as a string"),
        (b"[" * 100_000, "nests too deeply"),
        (b'{"Request":' * 100_000, "nests too deeply"),
    ],
)
def test_what_is_not_well_formed_is_refused(body: bytes, reason: str):
    with pytest.raises(RequestError, match=reason):
        read(body)


def test_a_byte_order_mark_does_no_harm():
    assert read(b'\xef\xbb\xbf{"Request":{"Resource":{}}}').error is None


def test_what_exceeds_a_limit_is_refused():
    with pytest.raises(RequestError, match="more than 20"):
        read({"Request": {"Resource": {}}}, request_bytes=20)
    with pytest.raises(RequestError, match="more than 3 attribute values"):
        read({"Request": {"Resource": {"Attribute": [{"AttributeId": "urn:a", "Value": [1, 2, 3, 4]}]}}}, attributes=3)
    with pytest.raises(RequestError, match="more than 5 nodes"):
        read({"Request": {"Resource": {"Content": "<a><b/><b/></a>"}}}, content_nodes=5)
    with pytest.raises(RequestError, match="more than 5 characters"):
        read({"Request": {"Resource": {"Content": "<a>too long</a>"}}}, content_text=5)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Request", "Resource", "Category", "CategoryId", "Attribute", "AttributeId", "Value", "Id"]
            )
            | st.sampled_from(
                ["Content", "DataType", "MultiRequests", "RequestReference", "ReferenceId", "XPath", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_any_json_is_read_or_refused(document: Any):
    for body in (document, {"Request": document}, {"Request": {"Resource": document}}):
        try:
            request = read(body)
        except RequestError as error:
            assert error.message  # noqa: PT017 - either way is right
        else:
            assert request.error or request.groups


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes):
    try:
        read(body)
    except RequestError as error:
        assert error.message  # noqa: PT017 - either way is right


def result(**members: Any) -> dict[str, Any]:
    plain = Result(Decision.PERMIT, Status(), (), (), (), (), ())
    response = Response((plain._replace(**members),), "hash", with_policies=True)
    document = json.loads(encode_response(response, JSON))
    assert list(document) == ["Response"]
    (only,) = document["Response"]
    return only


def test_a_plain_result_is_short():
    assert result() == {
        "Decision": "Permit",
        "Status": {"StatusCode": {"Value": "urn:oasis:names:tc:xacml:1.0:status:ok"}},
    }


@pytest.mark.parametrize(
    ("data_type", "lexical", "value"),
    [
        ("string", "a", "a"),
        ("boolean", "1", True),
        ("integer", "-7", -7),
        ("integer", "9007199254740991", 9007199254740991),
        ("integer", "9007199254740993", "9007199254740993"),
        ("double", "1.50", 1.5),
        ("double", "-0", "-0"),
        ("double", "NaN", "NaN"),
        ("double", "-INF", "-INF"),
        ("dateTime", "2026-11-30T08:00:00+01:00", "2026-11-30T08:00:00+01:00"),
        ("hexBinary", "0f", "0F"),
    ],
)
def test_values_are_written_as_the_json_type_that_their_data_type_has(data_type: str, lexical: str, value: Any):
    kind = next(each for each in ALL_DATA_TYPES if each.name == data_type)
    assignment = Assignment("urn:a", None, None, kind, kind.parse(lexical))
    written = result(obligations=(Obligation("urn:o", (assignment,)),))["Obligations"]
    assert written == [
        {"Id": "urn:o", "AttributeAssignment": [{"AttributeId": "urn:a", "Value": value, "DataType": kind.uri}]}
    ]
    again = parse_request(
        json.dumps(attribute(Value=written[0]["AttributeAssignment"][0]["Value"], DataType=kind.uri)).encode(), JSON
    )
    assert repr(kind.parse(again.groups[0].attributes[0].values[0].text)) == repr(kind.parse(lexical))


def test_obligations_and_advice_keep_category_and_issuer():
    assignment = Assignment("urn:a", "urn:c", "me", STRING, "x")
    written = result(obligations=(Obligation("urn:o"),), advice=(Advice("urn:v", (assignment,)),))
    assert written["Obligations"] == [{"Id": "urn:o"}]
    assert written["AssociatedAdvice"][0]["AttributeAssignment"] == [
        {"AttributeId": "urn:a", "Value": "x", "DataType": STRING.uri, "Category": "urn:c", "Issuer": "me"}
    ]


def test_a_missing_attribute_is_named():
    missing = MissingAttribute("urn:c", "urn:a", STRING.uri, "me")
    status = Status("urn:oasis:names:tc:xacml:1.0:status:missing-attribute", "`urn:a` is missing", (missing,))
    assert result(decision=Decision.INDETERMINATE, status=status)["Status"] == {
        "StatusCode": {"Value": "urn:oasis:names:tc:xacml:1.0:status:missing-attribute"},
        "StatusMessage": "`urn:a` is missing",
        "StatusDetail": [{"Category": "urn:c", "AttributeId": "urn:a", "DataType": STRING.uri, "Issuer": "me"}],
    }


def test_policies_are_listed_apart_from_policy_sets():
    written = result(policies=(PolicyId("p", "1.0"), PolicyId("s", "2", is_set=True), PolicyId("q", "1")))
    assert written["PolicyIdentifierList"] == {
        "PolicyIdReference": [{"Id": "p", "Version": "1.0"}, {"Id": "q", "Version": "1"}],
        "PolicySetIdReference": [{"Id": "s", "Version": "2"}],
    }


def test_attributes_come_back_in_json_types():
    values = (Value(INTEGER.uri, "5"), Value(INTEGER.uri, "6"), Value(STRING.uri, "a"), Value(INTEGER.uri, "many"))
    group = AttributeGroup(RESOURCE, (Attribute("urn:a", values, "me", True),), None, "r1")
    (category,) = result(attributes=(group,))["Category"]
    assert (category["CategoryId"], category["Id"]) == (RESOURCE, "r1")
    assert [(each["Value"], each["DataType"]) for each in category["Attribute"]] == [
        ([5, 6], INTEGER.uri),
        ("a", STRING.uri),
        ("many", INTEGER.uri),
    ]
    assert all(each["Issuer"] == "me" and each["IncludeInResult"] for each in category["Attribute"])


def in_json(request: Request) -> bytes:
    """Write a request in JSON as a client would."""
    document: dict[str, Any] = {
        "ReturnPolicyIdList": request.return_policy_ids,
        "CombinedDecision": request.combined_decision,
        "Category": [_category(group) for group in request.groups],
    }
    if request.references:
        document["MultiRequests"] = {"RequestReference": [{"ReferenceId": list(ids)} for ids in request.references]}
    return json.dumps({"Request": document}).encode()


def _category(group: AttributeGroup) -> dict[str, Any]:
    members: dict[str, Any] = {"CategoryId": group.category}
    if group.xml_id is not None:
        members["Id"] = group.xml_id
    if group.content is not None:
        members["Content"] = etree.tostring(group.content, encoding="unicode")
    members["Attribute"] = [
        {
            "AttributeId": each.attribute_id,
            "DataType": value.data_type,
            "Value": _value(value),
            "IncludeInResult": each.include_in_result,
        }
        | ({} if each.issuer is None else {"Issuer": each.issuer})
        for each in group.attributes
        for value in each.values
    ]
    return members


def _value(value: Value) -> Any:
    if value.xpath is None:
        return value.text
    namespaces = [{"Prefix": prefix, "Namespace": uri} for prefix, uri in value.xpath.namespaces]
    return {"XPathCategory": value.xpath.category, "XPath": value.xpath.expression, "Namespaces": namespaces}


@pytest.mark.parametrize("case", [case for case in cases_3_0() if not case.refused], ids=lambda case: case.id)
def test_a_request_is_decided_in_json_as_it_is_in_xml(case: Any):
    request = parse_request(case.request.read_bytes(), XML)
    same = parse_request(in_json(request), JSON)
    assert same.error is None
    snapshot = case.load()
    answers = [
        snapshot.decide(each, now=NOW, attributes=role_of_doctors, resources=hierarchy) for each in (request, same)
    ]
    in_xml, as_json = ([without_attributes(each) for each in told(answer)] for answer in answers)
    assert as_json == in_xml
    written = json.loads(encode_response(answers[0], JSON))["Response"]
    assert [each["Decision"] for each in written] == [each.decision.value for each in answers[0].results]


def without_attributes(told_result: dict[str, Any]) -> dict[str, Any]:
    # In JSON an attribute has values of one data type only, so it may come back in parts.
    return {name: value for name, value in told_result.items() if name != "attributes"}
