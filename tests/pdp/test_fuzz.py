"""Policies and requests that were tampered with: either they load, or they are refused as documented.

Environment variable SLUICE_FUZZ sets the number of examples; `make fuzz` goes on for ten minutes.
"""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.pdp import JSON, XML
from tests.support.xacml_fuzz import KINDS, check, mutated, seeds

EXAMPLES = int(os.environ.get("SLUICE_FUZZ", "60"))
SEEDS = seeds()
MUTATION = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(SEEDS),
    st.lists(MUTATION, max_size=4),
    st.lists(MUTATION, max_size=4),
    st.sampled_from([XML, JSON]),
)
def test_whatever_was_tampered_with_is_refused_or_decided(seed, on_policy, on_request, media_type):
    check(mutated(seed[0], on_policy), mutated(seed[1], on_request), media_type)
