"""Tampers with policies and requests by tokens and bytes, and checks what the engine makes of them.

As a program it does so for a while: `python -m tests.support.xacml_fuzz --minutes 10 --seed 1`.
"""

import argparse
import json
import random
import re
import time
from collections import Counter
from copy import deepcopy

from lxml import etree

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


def seeds(every=5):
    """Policies and requests to begin with: every so many of the published cases, and random ones."""
    found = [
        (case.policies[0].read_bytes(), case.request.read_bytes())
        for case in cases_3_0()[::every] + cases_2_0()[::every]
        if case.request.exists()
    ]
    world = World(random.Random(1))
    for _ in range(40):
        sources, _, _ = world.sources()
        found.append((sources[0][1], world.request()))
    found.append((found[0][0], b'{"Request":{"AccessSubject":{"Attribute":[{"AttributeId":"a","Value":[1,true]}]}}}'))
    return found


KINDS = ("drop", "repeat", "swap", "splice", "byte", "cut")


def mutated(data, mutations):
    """The data after some of its tokens were dropped, repeated, swapped, spliced or spoiled."""
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


def rebuilt(data, source):
    """The same document, well-formed still, with elements dropped, repeated, moved, renamed, or with other values."""
    root = etree.fromstring(data)
    for _ in range(source.choice((1, 1, 2, 3))):
        elements = [each for each in root.iter("*") if each is not root]
        if not elements:
            break
        one, other = source.choice(elements), source.choice(elements)
        kind = source.randrange(6)
        if kind == 0:
            one.getparent().remove(one)
        elif kind == 1:
            other.addprevious(deepcopy(one))
        elif kind == 2:
            one.tag = other.tag
        elif kind == 3:
            one.text = other.text
        elif one.attrib and other.attrib:
            name = source.choice(list(one.attrib))
            one.set(name if kind == 4 else source.choice(list(other.attrib)), source.choice(other.attrib.values()))
    return etree.tostring(root)


def as_json(asked):
    """An XML request in the words of the JSON profile."""
    categories = [
        {
            "CategoryId": group.get("Category"),
            "Attribute": [
                {
                    "AttributeId": one.get("AttributeId"),
                    "Issuer": one.get("Issuer", "i"),
                    "IncludeInResult": one.get("IncludeInResult") == "true",
                    "DataType": next((value.get("DataType") for value in one), "string"),
                    "Value": [value.text or "" for value in one],
                }
                for one in group.iter("{*}Attribute")
            ],
        }
        for group in etree.fromstring(asked).iter("{*}Attributes")
    ]
    return json.dumps({"Request": {"ReturnPolicyIdList": True, "Category": categories}}).encode()


def rebuilt_json(data, source):
    """The same JSON with values dropped, repeated, or put in the place of others."""
    whole = json.loads(data)
    places = [(whole, "Request")]
    for inside, key in places:
        value = inside[key]
        keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        places += [(value, each) for each in keys]
    values = [inside[key] for inside, key in places] + [None, 1.5, 10**400, [], {}, "", True, [[[]]]]
    for _ in range(source.choice((1, 1, 2, 3))):
        inside, key = source.choice(places)
        if isinstance(inside, dict) and source.random() < 0.3:
            inside[source.choice(("Content", "MultiRequests", "CombinedDecision", "Id", "AccessSubject"))] = key
        elif isinstance(inside, list) or key in inside:
            inside[key] = deepcopy(source.choice(values))
    return json.dumps(whole).encode()


def loaded(policy):
    """A snapshot, of nothing if the policy is refused, and why it was."""
    try:
        return compile_policies([("p.xml", policy)]), ()
    except PolicyErrors as refusal:
        return compile_policies([]), refusal.errors


def check(policy, asked, media_type):
    """Load, ask, decide with both engines, explain and encode; answers what came of the policy and the request."""
    snapshot, errors = loaded(policy)
    assert all(error.message and error.help for error in errors)
    outcome = "policy refused" if errors else "policy loaded"
    try:
        request = parse_request(asked, JSON if asked.startswith(b"{") else media_type)
    except RequestError:
        return outcome, "request refused"
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
    return outcome, response.decision.value if request.error is None else "request invalid"


def draw(source, every_case):
    """One tampered policy and request: of a published case, or of a random world."""
    if source.random() < 0.3:
        world = World(source)
        policy, asked = world.sources()[0][0][1], world.request()
    else:
        policy, asked = source.choice(every_case)
    if asked.startswith(b"<") and source.random() < 0.2:
        asked = as_json(asked)
    return tampered(policy, source), tampered(asked, source), source.choice((XML,) * 19 + (JSON,))


def tampered(data, source):
    """As it is, rebuilt, spoiled by tokens and bytes, or both."""
    how = source.randrange(6)
    if 1 <= how <= 3:
        data = rebuilt_json(data, source) if data.startswith(b"{") else rebuilt(data, source)
    if how <= 3:
        return data
    return mutated(data, [(source.choice(KINDS), source.randrange(9_999), source.randrange(9_999)) for _ in range(how)])


def main():
    """Go on for the minutes that are asked for, then print what was met; an exception ends it, and names the seed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    every_case = seeds(1)
    met, number, end = Counter(), 0, time.monotonic() + 60 * chosen.minutes
    told = time.monotonic()
    while time.monotonic() < end:
        number += 1
        try:
            met.update(check(*draw(random.Random(f"{chosen.seed}:{number}"), every_case)))
        except Exception as error:
            error.add_note(f"seed {chosen.seed}, case {number}")
            raise
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"{number:,} cases, {(end - told) / 60:.1f} minutes to go", flush=True)
    print(f"{number:,} cases from {len(every_case)} seeds and random worlds; met: {dict(met.most_common())}")


if __name__ == "__main__":
    main()
