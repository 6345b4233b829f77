"""The second opinion: what it says, what it cannot say, and that it harms nobody."""

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.crosscheck import report
from service.crosscheck.comparison import Asked, NoRequestError, compare
from service.crosscheck.opinion import SecondOpinion
from service.crosscheck.reach import KNOWN_FAULTS
from tests.support.xacml2 import (
    FUNCTION,
    STRING,
    SUBJECT_ID,
    apply,
    attribute,
    condition,
    policy,
    policy_set,
    request,
    rule,
    subject,
    subject_target,
    value,
)

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE = request(attribute(SUBJECT_ID, "alice"))
X500 = "urn:oasis:names:tc:xacml:1.0:data-type:x500Name"
RFC822 = "urn:oasis:names:tc:xacml:1.0:data-type:rfc822Name"
INTEGER = "http://www.w3.org/2001/XMLSchema#integer"
ACCESS = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"


@pytest.fixture(scope="module")
def other():
    with SecondOpinion() as opinion:
        yield opinion


def compared(other, policy_, request_=ALICE, *, library=()):
    roots = [("root.xml", policy_.encode())]
    references = [(f"library/{number}.xml", each.encode()) for number, each in enumerate(library)]
    (found,) = compare(roots, references, [Asked("request.xml", request_.encode())], other, now=NOW)
    return found


# Agreement and difference


@pytest.mark.parametrize(
    ("target", "decision"),
    [
        ("<Target/>", "Permit"),
        (subject_target("alice"), "Permit"),
        (subject_target("bob"), "NotApplicable"),
        (subject_target("bob", more='Issuer="hr" MustBePresent="true"'), "Indeterminate"),
    ],
)
def test_both_agree(other, target, decision):
    found = compared(other, policy(target + rule()))
    assert (found.outcome, found.ours, found.theirs) == ("agree", decision, decision)


def test_references_are_resolved_among_the_files_only(other):
    root = policy_set("<Target/><PolicySetIdReference>s2</PolicySetIdReference>", algorithm="first-applicable")
    inner = policy_set("<Target/><PolicyIdReference> p2 </PolicyIdReference>", id_="s2")
    found = compared(other, root, library=[inner, policy("<Target/>" + rule(effect="Deny"), id_="p2")])
    assert (found.outcome, found.ours) == ("agree", "Deny")


def test_what_is_not_referred_to_does_not_keep_a_policy_from_being_judged(other):
    modern = '<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="m" Version="1" '
    modern += (
        'RuleCombiningAlgId="urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides"><Target/></Policy>'
    )
    assert compared(other, policy("<Target/>" + rule()), library=[modern]).outcome == "agree"


def test_a_difference_comes_with_both_decisions_and_what_is_known_of_its_cause(other):
    target = subject_target("CN=Alice,O=Example", "x500Name-equal", X500)
    asked = request(attribute(SUBJECT_ID, "cn=alice, o=example", data_type=X500))
    found = compared(other, policy(target + rule()), asked)
    assert (found.outcome, found.ours, found.theirs) == ("differ", "Permit", "NotApplicable")
    assert found.hints == ("`x500Name-equal`: it compares names as plain text (v1/equal.py)",)


def asking(function, first, second):
    return rule(condition(apply(function, first, second)))


def only(data_type):
    name = data_type.replace("#", ":").rpartition(":")[2]
    return apply(f"{name}-one-and-only", subject(data_type=data_type))


@pytest.mark.parametrize(
    ("function", "inside", "asked", "theirs"),
    [
        ("x500Name-equal", asking("x500Name-equal", value("CN=A", X500), only(X500)), (X500, "cn=a"), "NotApplicable"),
        (
            "x500Name-match",
            asking("x500Name-match", value("O=B", X500), only(X500)),
            (X500, "CN=A,O=B"),
            "NotApplicable",
        ),
        (
            "rfc822Name-equal",
            asking("rfc822Name-equal", value("a@B", RFC822), only(RFC822)),
            (RFC822, "a@b"),
            "NotApplicable",
        ),
        ("rfc822Name-match", asking("rfc822Name-match", value("b"), only(RFC822)), (RFC822, "a@b"), "Indeterminate"),
        (
            "xpath-node-equal",
            asking("xpath-node-equal", value("/*"), value("/*/*/..")),
            (X500, "CN=A"),
            "NotApplicable",
        ),
        ("xpath-node-match", asking("xpath-node-match", value("/*"), value("/*/*")), (X500, "CN=A"), "NotApplicable"),
        (
            "and",
            asking("and", apply("not", apply("and")), apply("string-equal", value("a"), only(STRING))),
            (X500, "CN=A"),
            "Indeterminate",
        ),
        (
            "string-regexp-match",
            asking("string-regexp-match", value("lic"), value("alice")),
            (X500, "CN=A"),
            "NotApplicable",
        ),
    ],
)
def test_its_known_faults_are_real(other, function, inside, asked, theirs):
    data_type, text = asked
    found = compared(other, policy("<Target/>" + inside), request(attribute(SUBJECT_ID, text, data_type=data_type)))
    assert (found.outcome, found.theirs) == ("differ", theirs)
    assert f"`{function}`: {KNOWN_FAULTS[FUNCTION + function]}" in found.hints


def test_every_known_fault_is_shown():
    marks = test_its_known_faults_are_real.pytestmark
    assert {FUNCTION + row[0] for mark in marks for row in mark.args[1]} == set(KNOWN_FAULTS)


def test_both_agree_on_random_policies_of_what_both_know(other):
    """Nested sets, all six algorithms, errors in targets and conditions; 300 policies with 4 requests each."""
    dice = random.Random(20261123)
    requests = [
        Asked(f"{names}", request("".join(attribute(SUBJECT_ID, each) for each in names)).encode())
        for names in ((), ("alice",), ("bob",), ("alice", "bob"))
    ]
    outcomes = []
    for _ in range(300):
        root = random_set(dice, 2, iter(range(1000)))
        for found in compare([("root.xml", root.encode())], (), requests, other, now=NOW):
            assert found.outcome == "agree", (found, root)
            outcomes.append(found.ours)
    assert set(outcomes) == {"Permit", "Deny", "NotApplicable", "Indeterminate"}


def random_set(dice, depth, numbers):
    algorithm = dice.choice(["deny-overrides", "permit-overrides", "first-applicable"])
    children = range(dice.randint(1, 3))
    if depth and dice.random() < 0.6:
        body = "".join(random_set(dice, depth - 1, numbers) for _ in children)
        return policy_set(random_target(dice) + body, id_=f"s{next(numbers)}", algorithm=algorithm)
    body = "".join(random_rule(dice, f"r{number}") for number in children)
    return policy(random_target(dice) + body, id_=f"p{next(numbers)}", algorithm=algorithm)


def random_target(dice):
    must = dice.choice(["", "", 'MustBePresent="true"'])
    return dice.choice(["<Target/>", subject_target(dice.choice(["alice", "bob", "carol"]), more=must)])


def random_rule(dice, id_):
    name = value(dice.choice(["alice", "bob"]))
    one = apply("string-equal", name, apply("string-one-and-only", subject()))
    any_ = apply("string-at-least-one-member-of", apply("string-bag", name), subject())
    tested = dice.choice(["", one, any_, apply("not", any_), apply("and", any_, apply("not", any_))])
    body = random_target(dice) + (condition(tested) if tested else "")
    return rule(body, effect=dice.choice(["Permit", "Deny"]), id_=id_)


# What it cannot judge

OBLIGATIONS = '<Obligations><Obligation ObligationId="o" FulfillOn="Permit"/></Obligations>'
ENVIRONMENT = (
    '<EnvironmentAttributeDesignator AttributeId="urn:example:e" DataType="http://www.w3.org/2001/XMLSchema#string"/>'
)
VARIABLE = f'<VariableDefinition VariableId="v">{apply("not", apply("not", apply("and")))}</VariableDefinition>' + rule(
    condition('<VariableReference VariableId="v"/>')
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (rule() + OBLIGATIONS, "<Obligations>: it knows no obligations"),
        (VARIABLE, "<VariableReference>: it knows no variables"),
        (rule(condition(apply("or"))), "`or` is none of its 70 functions"),
        (
            rule(condition(apply("integer-equal", value("1", INTEGER), value("1", INTEGER)))),
            "it cannot read values of data type `integer`",
        ),
        (rule(condition(apply("string-equal", value(""), value("a")))), "it cannot read empty values"),
        (
            rule(condition(apply("string-equal", value("a"), apply("string-one-and-only", ENVIRONMENT)))),
            "<EnvironmentAttributeDesignator>: it cannot read attributes of the environment",
        ),
    ],
)
def test_what_it_does_not_implement_is_no_agreement(other, body, reason):
    found = compared(other, policy("<Target/>" + body))
    assert (found.outcome, found.theirs) == ("cannot judge", None)
    assert f"root.xml:1: {reason}" in found.reasons


def test_an_algorithm_that_it_does_not_implement_is_named(other):
    found = compared(other, policy_set("<Target/>", algorithm="only-one-applicable"))
    assert found.reasons == ("root.xml:1: `only-one-applicable` is none of its combining algorithms",)


def test_what_a_policy_refers_to_must_be_judged_too(other):
    root = policy_set("<Target/><PolicyIdReference>p</PolicyIdReference>")
    found = compared(other, root, library=[policy("<Target/>" + rule() + OBLIGATIONS)])
    assert "library/0.xml:1: <Obligations>: it knows no obligations" in found.reasons


def test_versions_of_references_are_beyond_it(other):
    versioned = policy("<Target/>" + rule()).replace("PolicyId=", 'Version="2.0" PolicyId=')
    root = policy_set('<Target/><PolicyIdReference Version="1.0">p</PolicyIdReference>')
    found = compared(other, root, library=[policy("<Target/>" + rule()), versioned])
    assert found.reasons == (
        "library/1.xml:1: it tells policies apart by their ids, not by their versions",
        "root.xml:1: it ignores the version of a reference",
    )


def test_xacml_3_is_beyond_it(other):
    root = ROOT / "policies" / "sandbox.xml"
    library = [(path.name, path.read_bytes()) for path in (ROOT / "policies" / "library").glob("*.xml")]
    asked = b'<Request xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"/>'
    (found,) = compare([("sandbox.xml", root.read_bytes())], library, [Asked("request.xml", asked)], other, now=NOW)
    assert any(each.endswith("it reads policies of XACML 2.0 only") for each in found.reasons)
    assert "request.xml:1: it reads requests of XACML 2.0 only" in found.reasons


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (request(attribute("urn:example:age", "7", data_type=INTEGER)), "it cannot read values of data type `integer`"),
        (request(attribute(SUBJECT_ID, "")), "it cannot read empty values"),
        (
            request(
                "", more_subjects=f'<Subject SubjectCategory="urn:example:x">{attribute(SUBJECT_ID, "x")}</Subject>'
            ),
            "it takes subjects of different categories for one",
        ),
        (request("", resource="<Resource/><Resource/>"), "it makes one decision for several resources"),
        (
            request(
                "",
                resource="<Resource>"
                + attribute("urn:oasis:names:tc:xacml:1.0:resource:scope", "Children")
                + "</Resource>",
            ),
            "it makes one decision for a hierarchy of resources",
        ),
    ],
)
def test_a_request_that_it_misreads_is_no_agreement(other, asked, reason):
    found = compared(other, policy(subject_target("x") + rule()), asked)
    assert found.outcome == "cannot judge"
    assert f"request.xml:1: {reason}" in found.reasons


def test_a_category_that_all_subjects_share_does_not_matter(other):
    target = subject_target("alice", more=f'SubjectCategory="{ACCESS}"')
    assert compared(other, policy(target + rule())).outcome == "agree"


def test_a_failure_inside_it_is_no_indeterminate(other):
    """Its rfc822Name-regexp-match takes no string for a pattern: a TypeError, which from outside is Indeterminate."""
    pattern = apply(
        "rfc822Name-regexp-match",
        value("example"),
        apply("rfc822Name-one-and-only", subject(data_type=RFC822)),
        prefix=FUNCTION.replace("1.0", "2.0"),
    )
    asked = request(attribute(SUBJECT_ID, "alice@example.com", data_type=RFC822))
    found = compared(other, policy("<Target/>" + rule(condition(pattern))), asked)
    assert (found.outcome, found.ours) == ("cannot judge", "Permit")
    assert found.reasons[0].startswith("it fails while it evaluates: TypeError")


def test_a_request_with_a_document_type_reaches_neither_engine():
    with pytest.raises(NoRequestError, match="document type declaration"):
        Asked("request.xml", b'<!DOCTYPE Request [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + ALICE.encode())


# Report and command line


@pytest.fixture
def folder(tmp_path):
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "alice.xml").write_text(policy(subject_target("alice") + rule(), id_="alice"))
    (tmp_path / "request.xml").write_text(ALICE)
    return tmp_path


def crosscheck(folder, *words, **environment):
    clean = {name: found for name, found in os.environ.items() if not name.startswith("SLUICE_")}
    return subprocess.run(
        [sys.executable, "-m", "service", "policy", "crosscheck", *words],
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_agreement_is_told_with_status_0(folder):
    done = crosscheck(folder, "policies", "request.xml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "alice.xml, request.xml: agree: Permit\n1 agree, 0 differ, 0 cannot judge\n"


def test_a_difference_is_told_with_status_1_and_what_cannot_be_judged_is_listed(folder):
    names = subject_target("CN=A", "x500Name-equal", X500)
    (folder / "policies" / "names.xml").write_text(policy(names + rule(), id_="names"))
    (folder / "policies" / "duty.xml").write_text(policy("<Target/>" + rule() + OBLIGATIONS, id_="duty"))
    (folder / "request.xml").write_text(request(attribute(SUBJECT_ID, "cn=a", data_type=X500)))
    done = crosscheck(folder, "policies", "request.xml")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "duty.xml, request.xml: ndg-xacml cannot judge: sluice Permit",
        "  duty.xml:1: <Obligations>: it knows no obligations",
        "alice.xml, request.xml: agree: NotApplicable",
        "names.xml, request.xml: differ: sluice Permit, ndg-xacml NotApplicable",
        "  known of ndg-xacml: `x500Name-equal`: it compares names as plain text (v1/equal.py)",
        "1 agree, 1 differ, 1 cannot judge",
    ]


def test_the_report_is_there_as_json(folder):
    done = crosscheck(folder, "policies", "request.xml", "request.xml", "--json")
    found = json.loads(done.stdout)
    assert [found["agree"], found["differ"], found["cannotJudge"]] == [2, 0, 0]
    assert found["comparisons"][0] == {
        "policy": "alice.xml",
        "request": "request.xml",
        "outcome": "agree",
        "sluice": "Permit",
        "ndg-xacml": "Permit",
        "reasons": [],
        "hints": [],
    }


@pytest.mark.parametrize("content", [b"{}", b"<Request", b"", b"\xff"])
def test_only_xml_is_a_request(content):
    with pytest.raises(NoRequestError, match=r"request\.xml: no XACML request in XML: "):
        Asked("request.xml", content)


def test_what_is_no_request_is_wrong_usage(folder):
    (folder / "request.xml").write_text("{}")
    done = crosscheck(folder, "policies", "request.xml")
    assert done.returncode == 2
    assert "request.xml: no XACML request in XML" in done.stderr


def test_policies_that_are_refused_are_not_compared(folder):
    (folder / "policies" / "bad.xml").write_text("<Policy")
    done = crosscheck(folder, "policies", "request.xml")
    assert done.returncode == 2
    assert "the policies are refused: run `sluice policy check`" in done.stderr
    assert done.stdout == ""


def test_no_request_is_wrong_usage(folder):
    assert crosscheck(folder, "policies").returncode == 2


def test_a_missing_second_engine_is_told_with_how_to_install_it(folder):
    (folder / "fissix.py").write_text("raise ImportError('no fissix here')\n")
    done = crosscheck(folder, "policies", "request.xml", PYTHONPATH=os.pathsep.join([str(ROOT), str(folder)]))
    assert done.returncode == 2
    assert "no fissix here" in done.stderr
    assert "pip install 'sluice[ndg]'" in done.stderr


def test_sums_count_every_comparison_once(other):
    found = [compared(other, policy("<Target/>" + rule())), compared(other, policy("<Target/>" + rule() + OBLIGATIONS))]
    told = report.data(found)
    assert (told["agree"], told["differ"], told["cannotJudge"]) == (1, 0, 1)
    assert list(report.lines(found))[-1] == "1 agree, 0 differ, 1 cannot judge"
