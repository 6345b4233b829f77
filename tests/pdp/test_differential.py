"""The indexed engine and the plain evaluator tell the same, in every detail, whatever they are asked.

The number of random policy and request pairs is that of environment variable SLUICE_DIFFERENTIAL.
"""

import os
import random

import pytest

from service.pdp import XML, compile_policies, parse_request
from service.pdp.compiled import index
from tests.support.xacml_cases import NOW, cases_2_0, cases_3_0
from tests.support.xacml_random import World

PAIRS = int(os.environ.get("SLUICE_DIFFERENTIAL", "3000"))
REQUESTS_PER_POLICY = 20
BATCH = 50

CASES = [pytest.param(case, id=f"{case.version}-{case.id}") for case in cases_3_0() + cases_2_0() if not case.refused]


@pytest.mark.parametrize("case", CASES)
def test_a_published_case_is_decided_alike(case):
    snapshot = case.load()
    assert case.decide(snapshot) == case.decide(snapshot.plain())


@pytest.mark.parametrize("batch", range(max(1, PAIRS // (BATCH * REQUESTS_PER_POLICY))))
def test_random_policies_are_decided_alike(batch, monkeypatch):
    world = World(random.Random(batch))
    for _ in range(BATCH):
        monkeypatch.setattr(index, "_FEW", world.random.choice((0, 1, 4)))
        sources, references, root_algorithm = world.sources()
        snapshot = compile_policies(sources, references=references, root_algorithm=root_algorithm)
        plain = snapshot.plain()
        for _ in range(REQUESTS_PER_POLICY):
            request, source = parse_request(world.request(), XML), world.attribute_source()
            told = snapshot.decide(request, now=NOW, attributes=source)
            assert told == plain.decide(request, now=NOW, attributes=source), (batch, sources, references)


def test_the_random_policies_reach_every_kind_of_decision():
    world, seen = World(random.Random(0)), set()
    for _ in range(150):
        sources, references, root_algorithm = world.sources()
        snapshot = compile_policies(sources, references=references, root_algorithm=root_algorithm)
        for _ in range(3):
            result = snapshot.decide(parse_request(world.request(), XML), now=NOW).result
            seen.add((result.decision.value, result.extent, bool(result.obligations)))
    assert {each[:2] for each in seen} == {
        ("Permit", ""),
        ("Deny", ""),
        ("NotApplicable", ""),
        ("Indeterminate", "D"),
        ("Indeterminate", "P"),
        ("Indeterminate", "DP"),
    }
    assert any(obligations for _, _, obligations in seen)
