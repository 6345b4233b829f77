"""How fast the policy decision point loads and decides: `python tests/benchmarks/pdp.py`.

Prints decisions per CPU second: evaluated only, and whole (parse, decide, encode), for flat policies in which the
last rule or none is hit, and for a nested policy set; and how long they took to load. `base` is how often lxml
alone parses the same requests in the same run, which is what the numbers should be compared by. 64 different
requests take turns, so nothing that was remembered of one decision could help the next.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lxml import etree

from service.pdp import XML, Decision, compile_policies, encode_response, parse_request

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMESPACE = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
STRING = "http://www.w3.org/2001/XMLSchema#string"
RESOURCE = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource"
ACTION = "urn:oasis:names:tc:xacml:3.0:attribute-category:action"
ENVIRONMENT = "urn:oasis:names:tc:xacml:3.0:attribute-category:environment"
RESOURCE_ID = "urn:oasis:names:tc:xacml:1.0:resource:resource-id"
ACTION_ID = "urn:oasis:names:tc:xacml:1.0:action:action-id"
REQUESTS = 64
SECONDS = 0.5


def match(category, attribute_id, value):
    return (
        f'<AnyOf><AllOf><Match MatchId="urn:oasis:names:tc:xacml:1.0:function:string-equal">'
        f'<AttributeValue DataType="{STRING}">{value}</AttributeValue><AttributeDesignator Category="{category}"'
        f' AttributeId="{attribute_id}" DataType="{STRING}" MustBePresent="false"/></Match></AllOf></AnyOf>'
    )


def rule(number, value):
    target = match(RESOURCE, RESOURCE_ID, value) + match(ACTION, ACTION_ID, "read")
    return f'<Rule RuleId="rule-{number}" Effect="Permit"><Target>{target}</Target></Rule>'


def policy(policy_id, rules, target="<Target/>", algorithm="deny-overrides"):
    return (
        f'<Policy xmlns="{NAMESPACE}" PolicyId="{policy_id}" Version="1.0" RuleCombiningAlgId='
        f'"urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:{algorithm}">{target}{"".join(rules)}</Policy>'
    )


def flat(count):
    return policy("flat", [rule(number, f"resource-{number}") for number in range(count)]).encode()


def nested(sets, policies, rules):
    """Sets of policies of rules: every target at every level has to be passed."""
    inner = [
        f'<PolicySet PolicySetId="set-{s}" Version="1.0" PolicyCombiningAlgId='
        f'"urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:deny-overrides"><Target/>'
        + "".join(
            policy(
                f"policy-{s}-{p}",
                [rule(f"{s}-{p}-{r}", f"resource-{(s * policies + p) * rules + r}") for r in range(rules)],
            )
            for p in range(policies)
        )
        + "</PolicySet>"
        for s in range(sets)
    ]
    return (
        f'<PolicySet xmlns="{NAMESPACE}" PolicySetId="nested" Version="1.0" PolicyCombiningAlgId='
        f'"urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:deny-overrides"><Target/>{"".join(inner)}'
        f"</PolicySet>"
    ).encode()


def request(number, resource):
    """A request as the service itself asks: a user of many attributes, on the way to a target."""

    def group(category, attributes):
        given = "".join(
            f'<Attribute AttributeId="{attribute_id}" IncludeInResult="false">'
            + "".join(f'<AttributeValue DataType="{STRING}">{value}</AttributeValue>' for value in values)
            + "</Attribute>"
            for attribute_id, *values in attributes
        )
        return f'<Attributes Category="{category}">{given}</Attributes>'

    return (
        f'<Request xmlns="{NAMESPACE}" ReturnPolicyIdList="false" CombinedDecision="false">'
        + group(
            "http://wso2.org/identity/user",
            [
                ("http://wso2.org/identity/user/user-tenant-domain", "carbon.super"),
                ("http://wso2.org/identity/user/username", f"PRIMARY/user-{number}"),
                ("http://wso2.org/claims/emailaddress", f"user-{number}@example.org"),
                ("http://wso2.org/claims/role", "sales", "engineering", "Internal/everyone"),
            ],
        )
        + group("http://wso2.org/identity/sp", [("http://wso2.org/identity/sp/sp-name", "travelocity.com")])
        + group("http://wso2.org/identity/idp", [("http://wso2.org/identity/idp/idp-name", "directory")])
        + group(RESOURCE, [("urn:oasis:names:tc:xacml:1.0:resource:resource-id", resource)])
        + group(ACTION, [("urn:oasis:names:tc:xacml:1.0:action:action-id", "read")])
        + group(ENVIRONMENT, [("urn:oasis:names:tc:xacml:1.0:environment:environment-id", "carbon.super")])
        + "</Request>"
    ).encode()


def per_second(step, items):
    """How often `step(item)` runs in a CPU second, going round the items."""
    for item in items:
        step(item)
    done, start = 0, time.process_time()
    while True:
        for item in items:
            step(item)
        done += len(items)
        elapsed = time.process_time() - start
        if elapsed >= SECONDS:
            return done / elapsed


def measure(name, data, resource, expected):
    start = time.process_time()
    snapshot = compile_policies([(f"{name}.xml", data)])
    load = time.process_time() - start
    bodies = [request(number, resource) for number in range(REQUESTS)]
    requests = [parse_request(body, XML) for body in bodies]
    assert all(snapshot.decide(each, now=NOW).decision is expected for each in requests)

    def whole(body):
        return encode_response(snapshot.decide(parse_request(body, XML), now=NOW), XML)

    base = per_second(etree.fromstring, bodies)
    evaluated = per_second(lambda each: snapshot.decide(each, now=NOW), requests)
    complete = per_second(whole, bodies)
    print(
        f"{name:24} load {load:6.3f} s   base {base:8,.0f}/s   evaluated {evaluated:9,.0f}/s"
        f" ({evaluated / base:5.2f} x base)   whole {complete:8,.0f}/s ({complete / base:4.2f} x base)",
        flush=True,
    )


def main():
    for count in (10, 100, 1_000, 10_000):
        data = flat(count)
        measure(f"flat-{count}-last", data, f"resource-{count - 1}", Decision.PERMIT)
        measure(f"flat-{count}-miss", data, "resource-none", Decision.NOT_APPLICABLE)
    data = nested(10, 10, 10)
    measure("nested-1000-last", data, "resource-999", Decision.PERMIT)
    measure("nested-1000-miss", data, "resource-none", Decision.NOT_APPLICABLE)


if __name__ == "__main__":
    main()
