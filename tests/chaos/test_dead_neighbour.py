"""A dead target beside a living one: the living one's deliveries are all done while the dead one's still wait."""

from __future__ import annotations

import pytest

from tests.chaos.cluster import cluster
from tests.chaos.target import target
from tests.support.flaky import flaky_target
from tests.support.scim_target import scim_target
from tests.support.service import Api, eventually, request_body, row

pytestmark = pytest.mark.xdist_group("chaos")

MANY = 40
FINAL = {"delivered", "refused", "failed", "cancelled"}
# Longer than the test: who waits for the dead target to answer waits for ever.
PATIENCE = {"firstRetry": 0.1, "longestRetry": 1, "exchangeTimeout": 600}


def hang(flaky):
    flaky.next("hold", lasting=True)


def refuse_connections(flaky):
    flaky.down()


def answer_nothing_but_503(flaky):
    flaky.next("answer", status=503, lasting=True)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request, tmp_path_factory):
    with cluster(request.param, tmp_path_factory.mktemp("neighbours"), processes=0) as whole:
        yield whole.first.api


@pytest.fixture(scope="module")
def living():
    with target("living", "calm") as living:
        yield living


@pytest.fixture
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture(scope="module")
def scim():
    with scim_target() as target:
        yield target


def sent(api: Api, provider: str, name: str) -> str:
    body = request_body(provider, "create", name)
    return api.post("/provisioning-requests", body)["id"]  # type: ignore[no-any-return]


def states(api: Api, provider: str) -> list[str]:
    """The states of the deliveries to a target, the latest first."""
    return [one["state"] for one in api.get(f"/deliveries?identityProvider={provider}&limit=200")["items"]]


@pytest.mark.parametrize(
    "dies",
    [hang, refuse_connections, answer_nothing_but_503],
    ids=lambda one: one.__name__,
)
def test_the_living_target_gets_everything_while_the_dead_one_gets_nothing(api, living, flaky, dies):
    way = dies.__name__.replace("_", "-")
    well, dead = f"well-beside-{way}", f"dead-{way}"
    api.identity_provider(well, "scim2", living.properties, delivery=PATIENCE)
    api.identity_provider(dead, "scim2", flaky.properties, delivery=PATIENCE)
    api.service_provider(f"to-{well}", row(well, blocking=False))
    api.service_provider(f"to-{dead}", row(dead, blocking=False))
    dies(flaky)
    for number in range(MANY):  # the dead one's come first, and each time again
        sent(api, f"to-{dead}", f"{dead}-{number}")
        sent(api, f"to-{well}", f"{well}-{number}")
    done = eventually(
        lambda: states(api, well).count("delivered") == MANY, "the living target has everything", timeout=60
    )
    assert done
    assert len(states(api, dead)) == MANY
    assert not FINAL & set(states(api, dead))
