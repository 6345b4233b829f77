import gzip
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from connectors import http
from connectors.connector import Request, Tls
from connectors.http import AddressRefused, NoReply, Sender, Transport, check_url
from tests.support.certificates import make_authority
from tests.support.raw_server import answering, http_answer, raw_server

LOOPBACK = Transport(deadline=5, allow=("127.0.0.0/8", "::1/128"))
QUICK = replace(LOOPBACK, deadline=0.3)


@pytest.fixture
def sender():
    with closing(Sender()) as sender:
        yield sender


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def names(monkeypatch):
    """Names that resolve to addresses of the test's choice; each look-up is counted."""
    table, asked = {}, []
    real = socket.getaddrinfo

    def resolve(host, port, *args, **kwargs):
        if host not in table:
            return real(host, port, *args, **kwargs)
        asked.append(host)
        answer = table[host]
        addresses = answer(len(asked)) if callable(answer) else answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table, asked


def get(url, **headers):
    return Request(method="GET", url=url, headers=headers, safe=True, purpose="read")


def post(url, body=b"{}", **headers):
    return Request(method="POST", url=url, headers=headers, body=body, safe=False, purpose="create")


# -- what arrives, what comes back ------------------------------------------------------------------------------------


def test_a_request_arrives_as_it_was_built(sender):
    with raw_server(answering(http_answer(201, b'{"id": 1}', "X-Thing: a", "Content-Type: text/json"))) as server:
        request = post(f"{server.url}/Users?x=%22a%22", b'{"n":"\xc3\xbc"}', Authorization="Bearer t", Accept="a/b")
        reply = sender.send(request, transport=LOOPBACK)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /Users?x=%22a%22 HTTP/1.1\r\n")
    assert body == b'{"n":"\xc3\xbc"}'
    assert server.header("Host") == f"127.0.0.1:{server.port}"
    assert server.header("Authorization") == "Bearer t"
    assert server.header("Accept") == "a/b"
    assert server.header("User-Agent") == "Sluice"
    assert (reply.status, reply.body) == (201, b'{"id": 1}')
    assert reply.headers["x-thing"] == "a"
    assert reply.headers["content-type"] == "text/json"


def test_a_header_of_the_request_replaces_the_default(sender):
    with raw_server(answering(http_answer())) as server:
        sender.send(get(server.url, **{"user-agent": "Other"}), transport=LOOPBACK)
    assert server.requests[0].lower().count(b"user-agent") == 1
    assert server.header("User-Agent") == "Other"


@pytest.mark.parametrize("status", [200, 204, 400, 401, 404, 429, 500, 503])
def test_any_status_is_a_reply(sender, status):
    with raw_server(answering(http_answer(status))) as server:
        assert sender.send(get(server.url), transport=LOOPBACK).status == status


def test_a_redirect_is_not_followed(sender):
    with raw_server(answering(http_answer(307, b"", "Location: /elsewhere"))) as server:
        reply = sender.send(post(server.url), transport=LOOPBACK)
    assert (reply.status, reply.headers["location"]) == (307, "/elsewhere")
    assert len(server.requests) == 1


def test_a_post_without_body_says_so(sender):
    with raw_server(answering(http_answer())) as server:
        sender.send(Request(method="POST", url=server.url, safe=False, purpose="x"), transport=LOOPBACK)
    assert server.header("Content-Length") == "0"


def test_a_cookie_is_not_sent_back(sender):
    with raw_server(answering(http_answer(200, b"", "Set-Cookie: session=1"))) as server:
        sender.send(get(server.url), transport=LOOPBACK)
        sender.send(get(server.url), transport=LOOPBACK)
    assert server.header("Cookie") is None


def test_proxies_and_netrc_of_the_environment_are_ignored(sender, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password theirs\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with raw_server(answering(http_answer())) as server:
        assert sender.send(get(server.url), transport=LOOPBACK).status == 200
    assert server.header("Authorization") is None


# -- connections ------------------------------------------------------------------------------------------------------


def test_a_fresh_connection_is_used_again(sender):
    with raw_server(answering(http_answer(200, b"x"))) as server:
        for _ in range(3):
            sender.send(get(server.url), transport=LOOPBACK)
    assert server.connections == 1


def test_an_old_connection_is_not_used_again(sender, monkeypatch):
    monkeypatch.setattr(http, "_FRESH_SECONDS", 0.0)
    with raw_server(answering(http_answer(200, b"x"))) as server:
        for _ in range(3):
            sender.send(get(server.url), transport=LOOPBACK)
    assert server.connections == 3


def test_a_connection_that_the_target_closed_is_not_used_again(sender):
    def once(connection, request):
        connection.sendall(http_answer(200, b"x"))
        return False

    with raw_server(once) as server:
        for _ in range(3):
            sender.send(post(server.url), transport=LOOPBACK)
            time.sleep(0.02)
    assert server.connections == 3


def test_many_threads_share_a_sender(sender):
    def echo(connection, request):
        connection.sendall(http_answer(200, request.split(b" ")[1]))
        return True

    with raw_server(echo) as server, ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: sender.send(get(f"{server.url}/{n}"), transport=LOOPBACK).body, range(200)))
    assert replies == [f"/{n}".encode() for n in range(200)]
    assert server.connections <= 16


# -- no answer --------------------------------------------------------------------------------------------------------


def fails(sender, request, transport=QUICK):
    with pytest.raises(NoReply) as caught:
        sender.send(request, transport=transport)
    return caught.value


def test_a_refused_connection_was_never_sent(sender):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    error = fails(sender, post(f"http://127.0.0.1:{port}"))
    assert not error.sent
    assert error.message == f"connection refused by `127.0.0.1` port {port}"


def test_an_unknown_name_was_never_sent(sender, monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = fails(sender, post("http://target.test/"))
    assert not error.sent
    assert error.message == "name `target.test` was not found"


def test_a_name_that_cannot_be_encoded_is_not_found(sender):
    error = fails(sender, post(f"http://{'a' * 70}.test/"))
    assert not error.sent


def test_a_resolver_that_hangs_is_given_up(sender, monkeypatch):
    gate = threading.Event()

    def hang(*args, **kwargs):
        gate.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    error = fails(sender, post("http://target.test/"))
    gate.set()
    assert not error.sent
    assert error.message == "name `target.test` was not resolved within 0.3 s"


def test_silence_after_the_request_leaves_it_unknown(sender):
    with raw_server(lambda connection, request: True) as server:
        error = fails(sender, post(server.url))
    assert error.sent
    assert error.message == "`127.0.0.1`: no answer within 0.3 s"


def drip(start, piece):
    def script(connection, request):
        connection.sendall(start)
        for _ in range(40):
            time.sleep(0.05)
            connection.sendall(piece)
        return False

    return script


def test_a_dripping_header_ends_at_the_deadline(sender):
    with raw_server(drip(b"HTTP/1.1 200 OK\r\n", b"X-More: yes\r\n")) as server:
        assert fails(sender, post(server.url)).sent


def test_a_dripping_body_ends_at_the_deadline(sender):
    with raw_server(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x")) as server:
        error = fails(sender, post(server.url))
    assert error.sent
    assert "no answer within 0.3 s" in error.message


def test_a_target_that_does_not_read_ends_at_the_deadline(sender):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        error = fails(sender, post(f"http://127.0.0.1:{listener.getsockname()[1]}", b"x" * 20_000_000))
    assert error.sent


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"])
def test_a_connection_closed_too_early_leaves_it_unknown(sender, start):
    def close(connection, request):
        connection.sendall(start)
        return False

    with raw_server(close) as server:
        error = fails(sender, post(server.url), LOOPBACK)
    assert error.sent
    assert error.message == "`127.0.0.1`: connection closed without a whole answer"


def test_an_answer_that_is_not_http_is_said_to_be_none(sender):
    def speak(connection, request):
        connection.sendall(b"220 mail.test ESMTP\r\n\r\n")
        return False

    with raw_server(speak) as server:
        error = fails(sender, post(server.url), LOOPBACK)
    assert error.sent
    assert error.message == "`127.0.0.1`: the answer is not HTTP"


# -- size -------------------------------------------------------------------------------------------------------------


def test_a_large_answer_is_cut_and_says_so(sender):
    with raw_server(answering(http_answer(200, b"x" * 5000))) as server:
        cut = sender.send(get(server.url), transport=replace(LOOPBACK, max_reply=1000))
        whole = sender.send(get(server.url), transport=replace(LOOPBACK, max_reply=5000))
    assert (len(cut.body), cut.truncated) == (1000, True)
    assert (len(whole.body), whole.truncated) == (5000, False)


def test_a_compressed_answer_is_cut_by_what_it_unpacks_to(sender):
    bomb = gzip.compress(b"0" * 50_000_000)
    with raw_server(answering(http_answer(200, bomb, "Content-Encoding: gzip"))) as server:
        reply = sender.send(get(server.url), transport=replace(LOOPBACK, max_reply=100_000))
    assert (len(reply.body), reply.truncated) == (100_000, True)
    assert server.header("Accept-Encoding") == "identity"


def test_a_broken_encoding_is_told(sender):
    with raw_server(answering(http_answer(200, b"not gzip", "Content-Encoding: gzip"))) as server:
        error = fails(sender, get(server.url), LOOPBACK)
    assert error.message == "`127.0.0.1`: the answer's content encoding is broken"


# -- addresses --------------------------------------------------------------------------------------------------------


def test_a_loopback_target_is_refused_unless_allowed(sender):
    with raw_server(answering(http_answer())) as server:
        with pytest.raises(AddressRefused, match=r"127\.0\.0\.1 is private or loopback") as caught:
            sender.send(post(server.url), transport=Transport())
        assert not caught.value.sent
    assert server.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "127.1"])
def test_another_spelling_of_loopback_is_refused_too(sender, host):
    with raw_server(answering(http_answer())) as server, pytest.raises(NoReply):
        sender.send(post(f"http://{host}:{server.port}/"), transport=Transport(deadline=5))
    assert server.connections == 0


def test_the_metadata_service_is_refused_whatever_is_allowed(sender):
    with pytest.raises(AddressRefused, match="metadata"):
        sender.send(get("http://169.254.169.254/latest"), transport=Transport(allow=("0.0.0.0/0",)))


def test_only_permitted_addresses_of_a_name_are_tried(sender, names):
    table, _ = names
    table["target.test"] = ["169.254.169.254", "10.0.0.1", "127.0.0.1"]
    with raw_server(answering(http_answer())) as server:
        assert sender.send(get(f"http://target.test:{server.port}/"), transport=LOOPBACK).status == 200
    assert server.header("Host") == f"target.test:{server.port}"


def test_a_name_with_refused_addresses_only_says_which(sender, names):
    table, _ = names
    table["target.test"] = ["10.0.0.1", "169.254.1.1"]
    with pytest.raises(AddressRefused) as caught:
        sender.send(get("http://target.test/"), transport=LOOPBACK)
    assert "`target.test` may not be reached" in caught.value.message
    assert "10.0.0.1" in caught.value.message
    assert "169.254.1.1" in caught.value.message


def test_a_name_is_resolved_once_per_connection(sender, names):
    table, asked = names
    table["target.test"] = lambda times: ["127.0.0.1"] if times == 1 else ["169.254.169.254"]
    with raw_server(answering(http_answer(200, b"x"))) as server:
        url = f"http://target.test:{server.port}/"
        assert sender.send(get(url), transport=LOOPBACK).status == 200
        assert sender.send(get(url), transport=LOOPBACK).status == 200
        assert asked == ["target.test"]
        sender.close()
        with pytest.raises(AddressRefused):
            sender.send(get(url), transport=LOOPBACK)


def test_the_next_address_is_tried_when_one_does_not_answer(sender, names):
    table, _ = names
    table["target.test"] = ["127.0.0.2", "127.0.0.1"]
    with raw_server(answering(http_answer())) as server:
        assert sender.send(get(f"http://target.test:{server.port}/"), transport=LOOPBACK).status == 200


def test_a_transport_with_other_networks_uses_another_connection(sender):
    with raw_server(answering(http_answer(200, b"x"))) as server:
        sender.send(get(server.url), transport=LOOPBACK)
        with pytest.raises(AddressRefused):
            sender.send(get(server.url), transport=Transport(deadline=5))
    assert server.connections == 1


def test_a_network_that_cannot_be_read_is_named(sender):
    with pytest.raises(AddressRefused, match="not-a-network"):
        sender.send(get("http://127.0.0.1/"), transport=Transport(allow=("not-a-network",)))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://example.com/x", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("example.com/Users", "only http and https"),
        ("http:///Users", "names no host"),
        ("http://example.com:0/", "names no host and port"),
        ("http://example.com:99999/", "is not a URL"),
        ("http://[::1/", "is not a URL"),
        ("http://user:secret@example.com/", "user name or password"),
        ("http://user@example.com/", "user name or password"),
        ("http://example.com/a b", "blank or control"),
        ("http://example.com/a\r\nX: y", "blank or control"),
        ("http://example.com\\@10.0.0.1/", "user name or password"),
        ("http://example.com/\\x", "blank or control"),
    ],
)
def test_a_url_that_may_not_be_requested_is_refused(url, problem):
    with pytest.raises(AddressRefused, match=problem) as caught:
        check_url(url)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("name", ["X-Key\r\nX-Other", "X Key", ""])
def test_a_header_name_that_is_none_is_refused(sender, name):
    with pytest.raises(AddressRefused, match="is not valid"):
        sender.send(get("http://127.0.0.1/", **{name: "v"}), transport=LOOPBACK)


def test_a_header_value_with_a_line_break_is_refused_without_showing_it(sender):
    with pytest.raises(AddressRefused) as caught:
        sender.send(get("http://127.0.0.1/", Authorization="Bearer hidden\r\nX: y"), transport=LOOPBACK)
    assert "hidden" not in caught.value.message


def test_a_header_value_may_hold_any_letters(sender):
    with raw_server(answering(http_answer())) as server:
        sender.send(get(server.url, **{"X-Key": "kľúč"}), transport=LOOPBACK)
    assert "X-Key: kľúč".encode() in server.requests[0]


# -- TLS --------------------------------------------------------------------------------------------------------------


def test_the_name_in_the_url_is_the_one_that_tls_checks(sender, authority, names):
    table, _ = names
    table["target.test"] = ["127.0.0.1"]
    transport = replace(LOOPBACK, ca=authority.pem)
    with raw_server(answering(http_answer()), authority.server_context("target.test")) as server:
        assert sender.send(post(f"https://target.test:{server.port}/"), transport=transport).status == 200
    assert server.server_names == ["target.test"]
    assert server.header("Host") == f"target.test:{server.port}"


def test_a_certificate_of_another_name_is_not_accepted(sender, authority, names):
    table, _ = names
    table["target.test"] = ["127.0.0.1"]
    with raw_server(answering(http_answer()), authority.server_context("other.test")) as server:
        error = fails(sender, post(f"https://target.test:{server.port}/"), replace(LOOPBACK, ca=authority.pem))
    assert not error.sent
    assert "TLS certificate not accepted" in error.message
    assert not server.requests


def test_an_unknown_authority_is_not_accepted(sender, authority):
    with raw_server(answering(http_answer()), authority.server_context("127.0.0.1")) as server:
        error = fails(sender, post(f"https://127.0.0.1:{server.port}/"), LOOPBACK)
    assert not error.sent
    assert "TLS certificate not accepted: unable to get local issuer certificate" in error.message


def test_verification_can_be_switched_off(sender, authority):
    with raw_server(answering(http_answer()), authority.server_context("other.test")) as server:
        reply = sender.send(post(f"https://127.0.0.1:{server.port}/"), transport=replace(LOOPBACK, verify=False))
    assert reply.status == 200


def test_a_client_certificate_is_shown(sender, authority):
    transport = replace(LOOPBACK, ca=authority.pem, client_certificate=authority.issue("client.test"))
    with raw_server(answering(http_answer()), authority.server_context("127.0.0.1", ask_client=True)) as server:
        assert sender.send(post(f"https://127.0.0.1:{server.port}/"), transport=transport).status == 200
    assert "client.test" in str(server.client_certificates[0])


def test_a_request_may_bring_its_own_authorities_and_certificate(sender, authority):
    tls = Tls(
        authorities=Path(authority.pem).read_text("utf-8"),
        certificate=Path(authority.issue("client.test")).read_text("utf-8"),
    )
    context = authority.server_context("127.0.0.1", ask_client=True)
    with raw_server(answering(http_answer()), context) as server:
        request = post(f"https://127.0.0.1:{server.port}/")
        assert sender.send(replace(request, tls=tls), transport=LOOPBACK).status == 200
        error = fails(sender, request, LOOPBACK)
    assert "TLS certificate not accepted" in error.message
    assert "client.test" in str(server.client_certificates[0])


def test_a_certificate_text_that_cannot_be_used_is_told(sender):
    request = replace(post("https://127.0.0.1/"), tls=Tls(certificate="nonsense"))
    error = fails(sender, request, LOOPBACK)
    assert not error.sent
    assert "a certificate or key cannot be used" in error.message


def test_connections_to_a_target_of_yesterday_are_closed(sender, monkeypatch):
    monkeypatch.setattr(http, "_FRESH_SECONDS", 0.05)
    with raw_server(answering(http_answer(200, b"x"))) as old, raw_server(answering(http_answer(200, b"x"))) as new:
        sender.send(get(old.url), transport=LOOPBACK)
        time.sleep(0.1)
        sender.send(get(new.url), transport=LOOPBACK)
        assert [key.origin for key in sender._idle] == [new.url]


def test_a_certificate_file_that_is_missing_is_told(sender, authority):
    error = fails(sender, post("https://127.0.0.1/"), replace(LOOPBACK, ca="/does/not/exist.pem"))
    assert not error.sent
    assert "a certificate or key cannot be used" in error.message


def test_a_plain_server_behind_an_https_url_is_told(sender):
    with raw_server(answering(http_answer())) as server:
        server_url = f"https://127.0.0.1:{server.port}/"
        error = fails(sender, post(server_url), QUICK)
    assert not error.sent
