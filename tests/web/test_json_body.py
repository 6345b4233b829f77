from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.web.json_body import DEPTH, JsonError, read
from service.web.merge_patch import merged

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_writes_is_read_back(value):
    assert read(json.dumps(value).encode()) == value
    assert read(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1, column 1"),
        (b"\xff\xfe{}", "invalid UTF-8 at byte 0"),
        (b'{"a": "\xc3\x28"}', "invalid UTF-8 at byte 7"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        (b"{", "line 1, column 2"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": 1,}', "column"),
        (b'{"a": 1} {}', "extra data"),
        (b'{"a": 1, "a": 1}', "the name `a` appears twice"),
        (b'[{"b": {"a": 1, "c": 2, "a": 3}}]', "the name `a` appears twice"),
        (b"NaN", "`NaN` is no JSON number"),
        (b"[-Infinity]", "`-Infinity` is no JSON number"),
        (b"1e999", "too large"),
        (b"1" * 5000, "too long"),
        (b'"\\ud800"', "unpaired surrogate"),
        (b'{"\\udfff": 1}', "unpaired surrogate"),
        (b'["a\\u0000b"]', "NUL"),
        (b'"a\nb"', "control character"),
        (b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), "deeper than"),
        (b"[" * 500_000, "deeper than"),
        (b'{"a":' * 100_000, "deeper than"),
    ],
)
def test_json_that_could_mean_two_things_is_refused(data, message):
    with pytest.raises(JsonError) as refused:
        read(data)
    assert message in str(refused.value)


def test_nesting_up_to_the_limit_is_read():
    assert read(b"[" * DEPTH + b"]" * DEPTH)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(JsonError):
        json.dumps(read(data)).encode()


# RFC 7396, appendix A
EXAMPLES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), EXAMPLES)
def test_a_merge_patch_does_what_the_rfc_says(target, patch, result):
    before = json.dumps([target, patch])
    assert merged(target, patch) == result
    assert json.dumps([target, patch]) == before
