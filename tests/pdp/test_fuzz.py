"""Policies and requests that were tampered with: either they load, or they are refused as documented.

Environment variable SLUICE_FUZZ sets the number of examples; each mutates a published case or a random policy and
request by tokens and bytes, loads, asks, decides with both engines, explains and encodes.
"""

import os
import random
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.pdp import (
    JSON,
    XML,
    Decision,
    PolicyErrors,
    RequestError,
    compile_policies,
    encode_response,
    parse_request,
)
from tests.support.xacml_cases import NOW, cases_2_0, cases_3_0
from tests.support.xacml_random import World

EXAMPLES = int(os.environ.get("SLUICE_FUZZ", "60"))
TOKEN = re.compile(rb"<[^>]*>|[^<]+")
SPLICES = [
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;",
    b"\x00",
    b"\xff",
    b"<Apply FunctionId='urn:oasis:names:tc:xacml:1.0:function:and'>",
    b"<AttributeValue DataType='http://www.w3.org/2001/XMLSchema#integer'>9</AttributeValue>",
    b"</Rule>",
    b"<?pi x?>",
    b"<!-- c -->",
    b"<![CDATA[<]]>",
    b" ",
    b'"',
    b"{",
    b"9" * 5_000,
    "\N{GRINNING FACE}".encode(),
]


def seeds():
    found = [
        (case.policies[0].read_bytes(), case.request.read_bytes())
        for case in cases_3_0()[::5] + cases_2_0()[::5]
        if case.request.exists()
    ]
    world = World(random.Random(1))
    for _ in range(40):
        sources, _, _ = world.sources()
        found.append((sources[0][1], world.request()))
    found.append((found[0][0], b'{"Request":{"AccessSubject":{"Attribute":[{"AttributeId":"a","Value":[1,true]}]}}}'))
    return found


SEEDS = seeds()
MUTATION = st.tuples(
    st.sampled_from(["drop", "repeat", "swap", "splice", "byte", "cut"]),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)


def mutated(data, mutations):
    tokens = TOKEN.findall(data)
    for kind, first, second in mutations:
        if not tokens:
            break
        at, other = first % len(tokens), second % len(tokens)
        if kind == "drop":
            del tokens[at]
        elif kind == "repeat":
            tokens.insert(other, tokens[at])
        elif kind == "swap":
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif kind == "splice":
            tokens.insert(at, SPLICES[second % len(SPLICES)])
        elif kind == "byte":
            token = bytearray(tokens[at])
            token[second % len(token)] = second % 256
            tokens[at] = bytes(token)
        else:
            tokens = tokens[:at]
    return b"".join(tokens)


def loaded(policy):
    """A snapshot, of nothing if the policy is refused, and why it was."""
    try:
        return compile_policies([("p.xml", policy)]), ()
    except PolicyErrors as refusal:
        return compile_policies([]), refusal.errors


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(SEEDS),
    st.lists(MUTATION, max_size=4),
    st.lists(MUTATION, max_size=4),
    st.sampled_from([XML, JSON]),
)
def test_whatever_was_tampered_with_is_refused_or_decided(seed, on_policy, on_request, media_type):
    policy, asked = mutated(seed[0], on_policy), mutated(seed[1], on_request)
    snapshot, errors = loaded(policy)
    assert all(error.message and error.help for error in errors)
    try:
        request = parse_request(asked, JSON if asked.startswith(b"{") else media_type)
    except RequestError:
        return
    response = snapshot.decide(request, now=NOW)
    assert response == snapshot.plain().decide(request, now=NOW)
    if request.error is not None:
        assert response.decision is Decision.INDETERMINATE
    explained = snapshot.decide(request, now=NOW, explain=True)
    assert [result._replace(explanation=None) for result in explained.results] == list(response.results)
    for result in explained.results:
        if result.explanation is not None:
            assert result.explanation.as_text()
    for answer in (XML, JSON):
        assert encode_response(response, answer)
