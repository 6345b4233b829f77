"""Short ways to write policies and requests of XACML 3.0."""

from datetime import UTC, datetime

from service.pdp import XML, compile_policies, parse_request

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMESPACE = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
NAMESPACE_2 = "urn:oasis:names:tc:xacml:2.0:policy:schema:os"
XS = "http://www.w3.org/2001/XMLSchema#"
F = "urn:oasis:names:tc:xacml:1.0:function:"
SUBJECT = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"
RESOURCE = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource"
SUBJECT_ID = "urn:oasis:names:tc:xacml:1.0:subject:subject-id"


def algorithm(name, kind="rule", version="3.0"):
    return f"urn:oasis:names:tc:xacml:{version}:{kind}-combining-algorithm:{name}"


def value(text, kind="string"):
    return f'<AttributeValue DataType="{XS}{kind}">{text}</AttributeValue>'


def designator(attribute_id=SUBJECT_ID, kind="string", *, category=SUBJECT, must="false"):
    return (
        f'<AttributeDesignator Category="{category}" AttributeId="{attribute_id}" DataType="{XS}{kind}"'
        f' MustBePresent="{must}"/>'
    )


def apply(function, *arguments):
    return f'<Apply FunctionId="{F}{function}">{"".join(arguments)}</Apply>'


def condition(expression):
    return f"<Condition>{expression}</Condition>"


def subject_is(name, must="false"):
    match = f'<Match MatchId="{F}string-equal">{value(name)}{designator(must=must)}</Match>'
    return f"<Target><AnyOf><AllOf>{match}</AllOf></AnyOf></Target>"


def rule(rule_id, effect, body=""):
    return f'<Rule RuleId="{rule_id}" Effect="{effect}">{body}</Rule>'


def variable(variable_id, expression):
    return f'<VariableDefinition VariableId="{variable_id}">{expression}</VariableDefinition>'


def use(variable_id):
    return f'<VariableReference VariableId="{variable_id}"/>'


def policy(policy_id, *parts, combining="deny-overrides", target="<Target/>", version="1.0"):
    return (
        f'<Policy xmlns="{NAMESPACE}" PolicyId="{policy_id}" Version="{version}"'
        f' RuleCombiningAlgId="{algorithm(combining)}">{target}{"".join(parts)}</Policy>'
    )


def policy_set(set_id, *parts, combining="deny-overrides", target="<Target/>", version="1.0"):
    return (
        f'<PolicySet xmlns="{NAMESPACE}" PolicySetId="{set_id}" Version="{version}"'
        f' PolicyCombiningAlgId="{algorithm(combining, "policy")}">{target}{"".join(parts)}</PolicySet>'
    )


def reference(policy_id, kind="Policy", **versions):
    given = "".join(f' {name}="{pattern}"' for name, pattern in versions.items())
    return f"<{kind}IdReference{given}>{policy_id}</{kind}IdReference>"


def request_xml(*attributes, category=SUBJECT, before="", groups=""):
    """A request about attributes, each an id, a kind and values."""
    given = "".join(
        f'<Attribute AttributeId="{attribute_id}" IncludeInResult="false">'
        f"{''.join(value(each, kind) for each in values)}</Attribute>"
        for attribute_id, kind, *values in attributes
    )
    return (
        f'<Request xmlns="{NAMESPACE}" ReturnPolicyIdList="false" CombinedDecision="false">'
        f'<Attributes Category="{category}">{before}{given}</Attributes>{groups}</Request>'
    ).encode()


def request(*attributes, **more):
    return parse_request(request_xml(*attributes, **more), XML)


def asking(name):
    return request((SUBJECT_ID, "string", name))


def load(*policies, references=(), **more):
    return compile_policies(
        [(f"{number}.xml", text.encode()) for number, text in enumerate(policies)],
        references=[(f"reference-{number}.xml", text.encode()) for number, text in enumerate(references)],
        **more,
    )


def decide(snapshot, asked, **more):
    return snapshot.decide(asked, now=NOW, **more).result
