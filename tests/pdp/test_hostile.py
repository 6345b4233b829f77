"""Hostile and broken input: nothing hangs, nothing escapes, nothing is permitted by it."""

import time
from contextlib import contextmanager

import pytest

from service.pdp import JSON, XML, Decision, PolicyErrors, RequestError, parse_request
from tests.support.xacml_text import (
    NOW,
    RESOURCE,
    SUBJECT,
    XS,
    F,
    apply,
    asking,
    condition,
    decide,
    designator,
    load,
    policy,
    policy_set,
    reference,
    request,
    request_xml,
    rule,
    subject_is,
    use,
    value,
    variable,
)

BOMB = (
    '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)
FILE = '<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
PERMIT = rule("permit", "Permit")
TRUE = value("true", "boolean")


@contextmanager
def quickly():
    start = time.thread_time()  # a busy machine is no hang
    yield
    assert time.thread_time() - start < 1


def refused(*policies, **more):
    with quickly(), pytest.raises(PolicyErrors) as caught:
        load(*policies, **more)
    return "\n".join(map(str, caught.value.errors))


@pytest.mark.parametrize("doctype", [BOMB, FILE, '<!DOCTYPE b SYSTEM "http://localhost/x.dtd">'])
@pytest.mark.parametrize("entity", ["&a;", ""])
def test_a_document_type_in_a_policy_refuses_it(doctype, entity):
    text = doctype + policy("p", f"<Description>{entity}</Description>", PERMIT).replace("<Target/>", "", 1)
    assert "DOCTYPE" in refused(text) or "not well-formed" in refused(text)


@pytest.mark.parametrize("doctype", [BOMB, FILE])
def test_a_document_type_in_a_request_refuses_it(doctype):
    with quickly(), pytest.raises(RequestError):
        parse_request(doctype.encode() + request_xml(("a", "string", "&j;&a;")), XML)


@pytest.mark.parametrize("doctype", [BOMB, FILE])
def test_a_document_type_in_content_refuses_the_request(doctype):
    inside = f"<Content>{doctype}<b>&a;</b></Content>"
    with quickly(), pytest.raises(RequestError):
        parse_request(request_xml(category=RESOURCE, before=inside), XML)


@pytest.mark.parametrize("doctype", [BOMB, FILE])
def test_a_document_type_in_content_in_json_permits_nothing(doctype):
    content = f"{doctype}<b>&a;</b>".replace('"', '\\"')
    body = f'{{"Request":{{"Resource":{{"Content":"{content}"}}}}}}'.encode()
    with quickly():
        try:
            asked = parse_request(body, JSON)
        except RequestError:
            return
        assert decide(load(policy("p", PERMIT)), asked).decision is Decision.INDETERMINATE


def test_twenty_thousand_nested_applies_are_refused():
    nested = f'<Apply FunctionId="{F}not">' * 20_000 + TRUE + "</Apply>" * 20_000
    assert "nested deeper" in refused(policy("p", rule("r", "Permit", condition(nested))))


def test_expressions_nested_deeper_than_the_limit_are_refused_with_their_line():
    nested = TRUE
    for _ in range(70):
        nested = apply("not", nested)
    assert "nested deeper than 64" in refused(policy("p", rule("r", "Permit", condition(nested))))


def test_the_deepest_policies_and_expressions_that_load_are_decided_and_explained():
    inner = apply("string-is-in", value("ann"), designator())
    for _ in range(60):
        inner = apply("and", inner, TRUE)
    text = policy("p", rule("r", "Permit", condition(inner)))
    for number in range(62):
        text = policy_set(f"s-{number}", text)
    snapshot = load(text)
    for each in (snapshot, snapshot.plain()):
        assert decide(each, asking("ann")).decision is Decision.PERMIT
    assert decide(snapshot, asking("ann"), explain=True).decision is Decision.PERMIT


def test_circular_variables_are_refused():
    text = policy("p", variable("a", use("b")), variable("b", use("a")), rule("r", "Permit", condition(use("a"))))
    assert "circular variable: `a` uses `b` uses `a`" in refused(text)


def test_circular_references_are_refused():
    one = policy_set("one", reference("two", "PolicySet"))
    two = policy_set("two", reference("one", "PolicySet"))
    assert "circular reference: `one` refers to `two` refers to `one`" in refused(one, references=[two])


def test_references_deeper_than_the_limit_are_refused():
    library = [policy_set(f"s-{n}", reference(f"s-{n + 1}", "PolicySet")) for n in range(200)]
    library.append(policy_set("s-200", policy("p", PERMIT)))
    assert "nested deeper than 64" in refused(library[0], references=library[1:])


def test_references_that_double_at_every_level_are_refused():
    library = [policy_set(f"s-{n}", *[reference(f"s-{n + 1}", "PolicySet")] * 2) for n in range(50)]
    library.append(policy_set("s-50", policy("p", PERMIT)))
    assert "more than 100000 policies" in refused(library[0], references=library[1:])


def test_variables_that_double_at_every_level_are_evaluated_once():
    variables = [variable("v-0", apply("string-is-in", value("ann"), designator()))]
    variables += [variable(f"v-{n}", apply("and", use(f"v-{n - 1}"), use(f"v-{n - 1}"))) for n in range(1, 30)]
    snapshot = load(policy("p", *variables, rule("r", "Permit", condition(use("v-29")))))
    for each in (snapshot, snapshot.plain()):
        with quickly():
            assert decide(each, asking("ann")).decision is Decision.PERMIT


@pytest.mark.parametrize("function", ["string-concatenate", "integer-multiply", "integer-add", "double-multiply"])
def test_values_that_double_at_every_level_are_an_error(function):
    kind = function.partition("-")[0]
    space = F.replace("1.0", "2.0") if kind == "string" else F
    first = f'<Apply FunctionId="{F}{kind}-one-and-only">{designator("a", kind)}</Apply>'
    variables = [variable("v-0", first)]
    variables += [
        variable(f"v-{n}", f'<Apply FunctionId="{space}{function}">{use(f"v-{n - 1}")}{use(f"v-{n - 1}")}</Apply>')
        for n in range(1, 30)
    ]
    never = apply("not", apply(f"{kind}-equal", use("v-29"), use("v-0")))
    snapshot = load(policy("p", *variables, rule("r", "Deny", condition(never)), PERMIT))
    with quickly():
        assert decide(snapshot, request(("a", kind, "9" * 100))).decision is not Decision.PERMIT


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time():
    test = apply("string-regexp-match", value("^(a+)+$"), apply("string-one-and-only", designator()))
    snapshot = load(policy("p", rule("r", "Permit", condition(test))))
    with quickly():
        assert decide(snapshot, asking("a" * 50 + "!")).decision is Decision.NOT_APPLICABLE


@pytest.mark.parametrize(
    "path", ["//*//*//*//*", "//*[.//*[.//*]]", "count(//*[count(//*) > 1])", "//*/ancestor::*/descendant::*/text()"]
)
def test_a_path_that_explodes_is_refused(path):
    selector = f'<AttributeSelector Category="{RESOURCE}" Path="{path}" DataType="{XS}string" MustBePresent="false"/>'
    test = apply("string-is-in", value("x"), selector)
    assert "XPath" in refused(policy("p", rule("r", "Permit", condition(test))))


def test_content_of_very_many_nodes_is_refused():
    with quickly(), pytest.raises(RequestError, match="nodes"):
        parse_request(request_xml(category=RESOURCE, before=f"<Content><a>{'<b/>' * 30_000}</a></Content>"), XML)


def test_a_request_of_ten_megabytes_is_refused():
    with quickly(), pytest.raises(RequestError, match="bytes"):
        parse_request(request_xml(*[(f"a-{n}", "string", "x" * 1_000) for n in range(10_000)]), XML)


def test_a_request_of_very_many_values_is_refused():
    with quickly(), pytest.raises(RequestError, match="10001 attribute values"):
        parse_request(request_xml(("a", "string", *["x"] * 10_001)), XML)


def test_bags_that_multiply_are_an_error():
    every = f'<Function FunctionId="{F}string-equal"/>'
    test = apply("any-of-any", every, designator("a"), designator("b"))
    snapshot = load(policy("p", rule("r", "Deny", condition(test)), PERMIT))
    values = [str(number) for number in range(4_900)]
    others = [f"x{number}" for number in range(4_900)]
    for each in (snapshot, snapshot.plain()):
        with quickly():
            result = decide(each, request(("a", "string", *values), ("b", "string", *others)))
        assert result.decision is Decision.INDETERMINATE
        assert "more than 200000 applications" in result.status.message


def test_sets_of_thousands_of_values_take_no_quadratic_time():
    both = apply("string-set-equals", designator("a"), apply("string-union", designator("a"), designator("b")))
    snapshot = load(policy("p", rule("r", "Permit", condition(both))))
    values = [str(number) for number in range(4_900)]
    with quickly():
        decide(snapshot, request(("a", "string", *values), ("b", "string", *values[::-1])))


def test_a_request_for_very_many_decisions_is_indeterminate():
    groups = "".join(f'<Attributes Category="urn:c:{n % 20}"/>' for n in range(1_000))
    with quickly():
        result = decide(load(policy("p", PERMIT)), request(groups=groups))
    assert result.decision is Decision.INDETERMINATE
    assert "more than 1000" in result.status.message


def test_a_chain_of_thousands_of_references_is_refused():
    library = [policy_set(f"s-{n}", reference(f"s-{n + 1}", "PolicySet")) for n in range(3_000)]
    library.append(policy_set("s-3000", policy("p", PERMIT)))
    with pytest.raises(PolicyErrors, match="nested deeper than 64"):
        load(library[0], references=library[1:])


def test_thousands_of_references_that_lead_nowhere_are_refused():
    text = policy_set("s", *[reference(f"policy-{n}") for n in range(3_000)])
    with quickly(), pytest.raises(PolicyErrors, match="leads nowhere"):
        load(text, references=[policy(f"policies-{n}", PERMIT) for n in range(300)])


@pytest.mark.parametrize("part", ["<Rool/>", rule("r", "permit"), rule("r", "Permit", condition(apply("x" * 40)))])
def test_a_file_that_is_wrong_twenty_thousand_times_is_refused(part):
    refused(policy("p", part * 20_000))


def test_numbers_of_thousands_of_digits_are_no_versions():
    text = refused(policy("p", PERMIT, version="9" * 5_000), policy_set("s", reference("p", Version="9" * 5_000)))
    assert "is not made of numbers" in text
    assert "is no version pattern" in text


def test_duplicate_policy_ids_are_refused_and_both_places_named():
    text = refused(policy("p", PERMIT), policy("p", rule("deny", "Deny")))
    assert "1.xml:1: duplicate PolicyId `p` in version `1.0`: the other one is at 0.xml:1" in text


def test_duplicate_rule_and_variable_ids_are_refused():
    text = refused(policy("p", variable("v", TRUE), variable("v", TRUE), PERMIT, PERMIT))
    assert "duplicate RuleId `permit`" in text
    assert "duplicate VariableId `v`" in text


def test_an_effect_in_lower_case_is_refused():
    assert "Effect is `deny`: it must be `Permit` or `Deny`" in refused(policy("p", rule("r", "deny")))


def test_an_unknown_element_in_a_rule_is_refused():
    text = refused(policy("p", rule("r", "Permit", "<Conditions/>")))
    assert "unknown element <Conditions> in <Rule>: did you mean <Condition>?" in text


@pytest.mark.parametrize(
    "broken",
    [
        "<Policy",
        policy("deny", rule("r", "Deny", "<Condition/>")),
        policy("deny", rule("r", "Deny", condition(apply("string-equals", value("a"), value("a"))))),
        policy("deny", rule("r", "Deny")).replace("wd-17", "wd-16"),
        "",
    ],
)
def test_a_broken_deny_file_beside_a_good_permit_file_permits_nothing(broken):
    refused(policy("permit", PERMIT), broken)


def test_an_attribute_of_another_namespace_is_refused():
    assert "unknown attribute" in refused(
        policy("p", PERMIT).replace("PolicyId=", 'xmlns:x="u" x:PolicyId="q" PolicyId=')
    )


@pytest.mark.parametrize("data", [b"", b"\x00", b"<a>" * 300, "<Request/>".encode("utf-16"), b"\xff\xfe\x00", b"{}"])
def test_a_request_of_rubbish_is_refused_or_invalid(data):
    for media_type in (XML, JSON):
        try:
            asked = parse_request(data, media_type)
        except RequestError:
            continue
        assert load(policy("p", PERMIT)).decide(asked, now=NOW).decision is Decision.INDETERMINATE


def test_an_unforeseen_error_while_deciding_is_indeterminate(monkeypatch):
    snapshot = load(policy("p", rule("r", "Permit", subject_is("ann"))))
    asked = asking("ann")
    monkeypatch.setattr(type(asked), "table", property(lambda _: 1 / 0))
    result = decide(snapshot, asked)
    assert result.decision is Decision.INDETERMINATE
    assert "ZeroDivisionError" in result.status.message


def test_a_subject_that_is_not_there_is_not_permitted_by_its_absence():
    snapshot = load(policy("p", rule("r", "Permit", subject_is("ann"))))
    assert decide(snapshot, request(category=SUBJECT)).decision is Decision.NOT_APPLICABLE
