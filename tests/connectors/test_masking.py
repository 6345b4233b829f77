import base64
import html
import json
import re
import time
from contextlib import suppress
from urllib.parse import parse_qs, quote, quote_plus, unquote_plus, urlencode
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.masking import MASK, mask_body, mask_headers, mask_text

PRINTABLE = st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp"))
SECRET = st.text(PRINTABLE, min_size=8, max_size=40).filter(lambda text: MASK not in text and text not in MASK)


def carriers(secret):
    """Ways in which a target may give a secret back, in fields with innocent names."""
    pair = base64.b64encode(f"someone:{secret}".encode()).decode()
    return {
        "json": json.dumps({"note": f"you sent {secret}!"}).encode(),
        "json, letters as they are": json.dumps({"note": [secret]}, ensure_ascii=False).encode(),
        "json, every letter escaped": ('{"n":"' + "".join(map(_json_escaped, secret)) + '"}').encode(),
        "json key": json.dumps({secret: 1}).encode(),
        "xml": f"<note>{escape(secret)}</note>".encode(),
        "xml attribute": f"<note text={quoteattr(secret)}/>".encode(),
        "html": f"<p>{html.escape(secret)}</p>".encode(),
        "xml, numeric entities": ("<n>" + "".join(f"&#x{ord(letter):x};" for letter in secret) + "</n>").encode(),
        "form": urlencode({"note": secret}).encode(),
        "url": f"see /x?note={quote(secret, safe='')}".encode(),
        "plain": f"no such thing: {secret}".encode(),
        "basic": f"you sent Basic {pair}".encode(),
        "base64url": base64.urlsafe_b64encode(f"a:{secret}".encode()).rstrip(b"="),
    }


def _json_escaped(letter):
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def readings(text):
    """Everything that a reader could make of a record."""
    yield text
    yield html.unescape(text)
    yield unquote_plus(text)
    units = re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
    yield units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    with suppress(ValueError):
        yield json.dumps(json.loads(text), ensure_ascii=False)
    for run in re.findall(r"[A-Za-z0-9+/_-]{4,}", text):
        plain = run.replace("-", "+").replace("_", "/")
        yield base64.b64decode(plain + "=" * (-len(plain) % 4) if len(plain) % 4 != 1 else "").decode("latin-1")


@example("0\\/00000")
@given(SECRET)
def test_a_secret_is_masked_in_whatever_it_comes_back_in(secret):
    for carrier, body in carriers(secret).items():
        record = mask_body(body, "text/plain", (secret,))
        assert MASK in record, carrier
        for reading in readings(record):
            assert secret not in reading, carrier


@given(SECRET)
def test_a_secret_in_a_header_is_masked(secret):
    masked = mask_headers({"X-Echo": f"a {secret} b", "Location": f"/x?k={quote_plus(secret)}"}, (secret,))
    assert secret not in str(masked)
    assert quote_plus(secret) not in str(masked)


@given(st.text(max_size=200), st.lists(st.text(max_size=10), max_size=3))
def test_masking_never_fails(text, secrets):
    mask_body(text.encode("utf-8", "surrogatepass"), "application/json", secrets)
    mask_body(text.encode("utf-16", "surrogatepass"), "text/xml", secrets)
    mask_headers({"X-Any": text}, secrets)


@pytest.mark.parametrize(
    "body",
    [
        {"userName": "alice", "password": "TOP"},
        {"access_token": "TOP", "token_type": "bearer"},
        {"a": [{"client_secret": "TOP"}]},
        {"Operations": [{"op": "replace", "path": "password", "value": "TOP"}]},
        {"Operations": [{"op": "replace", "value": {"password": "TOP"}}]},
        {"Operations": [{"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:password", "value": "TOP"}]},
        {"urn:ietf:params:scim:schemas:core:2.0:User:password": "TOP"},
        {"newPassword": "TOP", "currentPassword": "TOP", "private_key": "TOP", "refresh-token": ["TOP"]},
    ],
)
def test_json_fields_that_are_secret_by_name_are_masked(body):
    record = mask_body(json.dumps(body).encode(), "application/scim+json")
    assert "TOP" not in record
    assert json.loads(record)


@pytest.mark.parametrize(
    "body",
    [
        '{"password": "TOP SECRET',
        '{"a": 1, "password" : "TOP", "b": 2',
        'x {"access_token":"TOP"}'[2:] + "trailing",
        '<spml:password requestID="1">TOP</spml:password>',
        "<password>TOP</password>",
        '<dsml:attr name="credentials"><dsml:value>TOP</dsml:value></dsml:attr>',
        "<attr name='password'>\n <value>TOP</value><value>TOP2</value>\n</attr>",
        '<modification name="userPassword" operation="replace"><value>TOP</value></modification>'.replace(
            "userPassword", "password"
        ),
        "grant_type=password&password=TOP&client_secret=TOP",
        "client_assertion=TOP.TOP.TOP",
    ],
)
def test_other_bodies_are_masked_by_name_too(body):
    record = mask_body(body.encode(), None)
    assert "TOP" not in record
    assert MASK in record


def test_what_is_no_secret_stays_as_it_was():
    body = '{"userName": "alice", "count": 1.0, "passwordPolicy": "strict", "note": "a/b+c=="}'
    assert mask_body(body.encode(), "application/json", ("unrelated-secret",)) == body


def test_a_form_keeps_its_other_fields():
    record = mask_body(b"grant_type=client_credentials&client_id=me&client_secret=s3cret", None)
    assert parse_qs(record) == {"grant_type": ["client_credentials"], "client_id": ["me"], "client_secret": [MASK]}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Authorization", "Bearer abc", f"Bearer {MASK}"),
        ("authorization", "Basic YTpi", f"Basic {MASK}"),
        ("Authorization", "abc", MASK),
        ("Set-Cookie", "session=abc; Path=/", MASK),
        ("Cookie", "session=abc", MASK),
        ("X-API-Key", "abc", MASK),
        ("Content-Type", "application/json", "application/json"),
        ("Location", "/cb?code=abc&x=1", f"/cb?code={MASK}&x=1"),
    ],
)
def test_headers_that_are_secret_by_name_are_masked(name, value, expected):
    assert mask_headers({name: value}) == {name: expected}


def test_a_short_secret_is_masked_where_it_stands_alone():
    assert mask_text("a cat sat: a", ("a",)) == f"{MASK} cat sat: {MASK}"


def test_a_long_body_is_cut_after_masking():
    body = b"x" * 90 + b"the-secret-value" + b"y" * 100
    record = mask_body(body, "text/plain", ("the-secret-value",), limit=95)
    assert record == "x" * 90 + MASK[:5] + "… (103 more characters)"


def test_what_is_no_text_is_described():
    assert mask_body(b"\x00\xff\xfe", "image/png") == "(3 bytes, no text)"
    assert mask_body(b"caf\xe9 au lait", "text/plain") == "café au lait"
    assert mask_body(None, None) == ""


def test_a_large_body_is_masked_in_reasonable_time():
    body = json.dumps({"Resources": [{"userName": f"user{n}", "note": "<" * 20} for n in range(20_000)]}).encode()
    started = time.thread_time()
    mask_body(body, "application/json", ("some-secret-value", "another-secret/+&<>"))
    assert time.thread_time() - started < 5


@pytest.mark.parametrize("opening", ["<attr name='password'>", "<password>", '{"password":"', "&#x", "<attr "])
def test_a_hostile_body_does_not_take_long(opening):
    started = time.thread_time()
    mask_body((opening * 20_000).encode(), "text/xml", ("some-secret-value",))
    assert time.thread_time() - started < 3
