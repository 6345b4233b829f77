import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import (
    CredentialsRejected,
    Misconfigured,
    TargetConflict,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)
from connectors.pinning import NoReply
from service.providers import DeliverySettings
from service.provisioning import retry

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SETTINGS = DeliverySettings()


def after(error, *, attempts=1, tried_since=NOW):
    return retry.after(
        error,
        attempts=attempts,
        tried_since=tried_since,
        now=NOW,
        settings=SETTINGS,
        source=random.Random(1),
    )


@pytest.mark.parametrize(
    "error",
    [
        TargetUnavailable("503"),
        TargetThrottled("429"),
        CredentialsRejected("401"),
        NoReply("connection refused", sent=False),
    ],
)
def test_what_may_pass_is_tried_again(error):
    assert isinstance(after(error), retry.Later)


@pytest.mark.parametrize(
    "error", [TargetRefused("400"), TargetConflict("409"), Misconfigured("no endpoint"), TypeError("a bug")]
)
def test_what_cannot_pass_is_a_dead_letter_at_once(error):
    assert after(error) == retry.Never()


@given(attempts=st.integers(1, 10_000), seed=st.integers())
def test_the_wait_is_within_the_doubled_and_capped_bound(attempts, seed):
    wait = retry.backoff(attempts, SETTINGS, random.Random(seed))
    bound = min(SETTINGS.first_retry * float(2 ** min(attempts - 1, 32)), SETTINGS.longest_retry)
    assert timedelta(0) <= wait <= bound


def test_the_first_retry_comes_within_two_seconds():
    result = after(TargetUnavailable("503"))
    assert isinstance(result, retry.Later)
    assert result.due_at <= NOW + timedelta(seconds=2)


def test_a_target_that_asks_for_patience_gets_it():
    result = after(TargetThrottled("429", retry_after=120))
    assert isinstance(result, retry.Later)
    assert result.due_at >= NOW + timedelta(seconds=120)


def test_a_targets_own_wait_may_be_longer_than_ours():
    result = retry.after(
        TargetThrottled("429", retry_after=60),
        attempts=1,
        tried_since=NOW,
        now=NOW,
        settings=DeliverySettings(longest_retry=timedelta(seconds=1)),
        source=random.Random(1),
    )
    assert result == retry.Later(NOW + timedelta(seconds=60))


def test_no_target_may_ask_for_more_than_the_longest_wait():
    result = after(TargetThrottled("429", retry_after=10**9))
    assert isinstance(result, retry.Later)
    assert result.due_at == NOW + SETTINGS.longest_retry


def test_after_seven_days_there_is_no_other_attempt():
    old = NOW - timedelta(days=7)
    assert after(TargetUnavailable("503"), attempts=30, tried_since=old) == retry.Never()
