"""SPML on the wire: any text arrives as it was, end to end through the sender, and ambiguous deliveries end once."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from connectors.connector import Exchange, Membership, Progress, Reply, Request
from connectors.errors import Misconfigured, TargetRefused
from connectors.http import NoReply, Sender, Transport
from connectors.spml import Spml
from connectors.spml_attributes import ILLEGAL
from tests.support.driving import Driven
from tests.support.loopback import hang_up, serving
from tests.support.schemas import spml_schema
from tests.support.spml_cases import ALICE, created, deliver, group, linked, members, settings, stored, task
from tests.support.spml_target import SpmlTarget

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: not ILLEGAL.search(text)
)
NAME = st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: name.lower() not in {"accountid", "objectclass", "credentials", "active"}
)
CLAIMS = st.dictionaries(NAME, st.lists(TEXT, max_size=3, unique=True), max_size=5).filter(
    lambda claims: len({name.lower() for name in claims}) == len(claims)
)
STYLES = st.sampled_from(["data", "dsml"])
SOAP = {"modification_style": "data", "binding": "soap"}
SHAPES = st.fixed_dictionaries({"modification_style": STYLES, "binding": st.sampled_from(["soap", "http"])})


def shown(target, identifier):
    """What the object has, by name in small letters: DSML names compare without case."""
    return {name.lower(): values for name, values in stored(target, identifier).items() if name != "objectclass"}


def having(name, claims):
    return {"accountid": [name]} | {key.lower(): values for key, values in claims.items() if values}


# --- text -------------------------------------------------------------------------------------------------------------


@effort(deadline=None)  # the first example loads the schemas
@example(name="al", before={"B": ["0"]}, after={"b": ["0"]}, password="pw", shape=SOAP)
@given(name=TEXT, before=CLAIMS, after=CLAIMS, password=TEXT, shape=SHAPES)
def test_any_text_arrives_as_it_was(name, before, after, password, shape):
    target = SpmlTarget(schema=spml_schema(), plain=shape["binding"] == "http")
    configured = settings(**shape)
    first = deliver(target, task(attributes=before, mapped=True, name=name, password=password), configured).result
    identifier = f"person:{name}"
    assert first.identifier == identifier
    assert target.objects[identifier].password == password
    assert shown(target, identifier) == having(name, before)
    changed = task("modify", after, mapped=True, name=name, link=linked(first))
    second = deliver(target, changed, configured).result
    assert shown(target, identifier) == having(name, after)
    assert deliver(target, replace(changed, link=linked(second)), configured).result.outcome == "unchanged"
    assert target.violations == []


@effort(deadline=None)  # the first example loads the schemas
@given(name=TEXT, style=STYLES)
def test_any_name_of_an_existing_account_is_found(name, style):
    target = SpmlTarget(schema=spml_schema())
    target.put(name)
    attributes = {"userName": name, "title": name}
    result = deliver(target, task(attributes=attributes), settings(modification_style=style)).result
    assert result.outcome == "linked"
    assert stored(target, f"person:{name}")["title"] == [name]


@pytest.mark.parametrize("bad", ["\x00", "\x0b", "\x1b", "\ud800", "\ufffe"])
@pytest.mark.parametrize("where", ["value", "list", "name", "attribute", "password"])
def test_what_xml_cannot_carry_is_refused_before_anything_is_sent(bad, where):
    text = f"a{bad}b"
    wanted = {
        "value": task(attributes={**ALICE, "title": text}),
        "list": task(attributes={"mail": ["fine", text]}, mapped=True),
        "name": task(attributes={}, name=text),
        "attribute": task(attributes={text: "x"}, mapped=True),
        "password": task(password=text),
    }[where]
    driven = Driven()
    with pytest.raises(TargetRefused) as caught:
        deliver(SpmlTarget(), wanted, driven=driven)
    assert all(request.safe for request in driven.requests)
    assert text not in caught.value.message
    if where == "value":
        assert caught.value.message.startswith("attribute `title`: ")
        assert f"U+{ord(bad):04X} at position 2" in caught.value.message


def test_a_complex_claim_is_refused_with_the_attribute():
    with pytest.raises(TargetRefused, match="`name`"):
        deliver(SpmlTarget(), task(attributes={"name": {"givenName": "A"}}, mapped=True))


@pytest.mark.parametrize("name", ["credentials", "Credentials", ""])
def test_a_claim_mapped_to_a_reserved_name_is_a_wrong_mapping(name):
    with pytest.raises(Misconfigured, match="mapping"):
        deliver(SpmlTarget(), task(attributes={name: "x"}, mapped=True))


def test_a_name_that_dsml_does_not_know_is_sent_with_a_warning():
    target = SpmlTarget()
    result = deliver(target, task(attributes={"first_name": "Alice"}, mapped=True)).result
    assert "`first_name`" in result.warnings[0]
    assert stored(target)["first_name"] == ["Alice"]


# --- the requests themselves ------------------------------------------------------------------------------------------


def test_every_request_says_whether_it_may_be_repeated():
    target = SpmlTarget()
    driven = deliver(target, task(password="x"))
    deliver(target, task("modify", {**ALICE, "active": False}, link=linked(driven.result), password="y"), driven=driven)
    deliver(target, task("delete", link=linked(driven.result)), driven=driven)
    safe = {name: request.safe for name, request in zip(target.received, driven.requests, strict=True)}
    assert safe == {
        "listTargetsRequest": True,
        "addRequest": False,
        "suspendRequest": False,
        "setPasswordRequest": False,
        "deleteRequest": False,
    }


def test_the_plain_binding_posts_the_bare_message():
    target = SpmlTarget(plain=True, schema=spml_schema())
    driven = deliver(target, task(), settings(binding="http"))
    assert driven.result.outcome == "created"
    assert "SOAPAction" not in driven.requests[-1].headers
    assert b"Envelope" not in driven.requests[-1].body


def test_no_authorization_is_sent_without_a_user_name():
    target = SpmlTarget(username="")
    driven = deliver(target, task(), settings(username="", password=""))
    assert all("Authorization" not in request.headers for request in driven.requests)


def test_a_password_in_unicode_authenticates():
    target = SpmlTarget(username="prövisioner", password="pässwörd€")
    configured = settings(username="prövisioner", password="pässwörd€")
    assert deliver(target, task(), configured).result.outcome == "created"


# --- end to end -------------------------------------------------------------------------------------------------------


class Courier:
    """Sends as the courier does: one attempt, journalling what was unsafe and keeping what was remembered."""

    def __init__(self, url):
        self.sender, self.transport = Sender(), Transport(deadline=5, allow=("127.0.0.0/8",))
        self.url, self.remembered, self.unfinished, self.link = url, {}, [], None

    def attempt(self, wanted, **properties):
        wanted = replace(wanted, remembered=self.remembered, unfinished=tuple(self.unfinished))
        exchanges, sent = Spml().provision(wanted, settings(ep=self.url, **properties)), None
        while True:
            try:
                step = exchanges.send(sent)
            except StopIteration as stop:
                self.unfinished.clear()
                return stop.value
            sent = self._send(step) if isinstance(step, Request) else None
            if not isinstance(step, Request | Progress):
                self.remembered[step.key] = step.value

    def _send(self, request):
        self.unfinished.append(Exchange(request.method, request.url, request.safe))
        reply = self.sender.send(request, transport=self.transport)
        self.unfinished[-1] = replace(self.unfinished[-1], status=reply.status)
        return reply


@pytest.fixture
def target():
    target = SpmlTarget(schema=spml_schema())
    yield target
    assert target.violations == []


@pytest.fixture
def courier(target):
    with serving(target) as url:
        courier = Courier(f"{url}/spml")
        yield courier
        courier.sender.close()


def test_a_user_and_a_group_live_their_life_over_the_network(target, courier):
    user = courier.attempt(task(password="Pä55 & <w>"))
    assert (user.outcome, user.identifier) == ("created", "person:alice")
    renamed = courier.attempt(task("replace", {**ALICE, "displayName": "爱丽丝 🐇"}, link=linked(user), password="new"))
    assert stored(target)["displayName"] == ["爱丽丝 🐇"]
    assert target.objects["person:alice"].password == "new"
    staff = courier.attempt(group(membership=Membership(current=members("alice"))))
    assert stored(target, "group:staff")["member"] == ["person:alice"]
    assert courier.attempt(group("delete", link=linked(staff))).outcome == "deleted"
    assert courier.attempt(task("delete", link=linked(renamed))).outcome == "deleted"
    assert target.objects == {}
    assert target.received.count("listTargetsRequest") == 1


@pytest.mark.parametrize("on_conflict", ["link", "fail"])
def test_a_create_whose_answer_was_lost_ends_with_one_account(target, courier, on_conflict):
    target.misbehave("addRequest", hang_up)
    with pytest.raises(NoReply):
        courier.attempt(task(), on_conflict=on_conflict)
    assert "person:alice" in target.objects
    result = courier.attempt(task(), on_conflict=on_conflict)
    assert result.outcome == "created"
    assert list(target.objects) == ["person:alice"]
    assert target.received.count("addRequest") == 1


def test_an_update_whose_answer_was_lost_is_not_sent_twice(target, courier):
    link = created(target)
    target.misbehave("modifyRequest", hang_up)
    wanted = task("modify", {**ALICE, "title": "Dr"}, link=link)
    with pytest.raises(NoReply):
        courier.attempt(wanted)
    assert courier.attempt(wanted).outcome == "unchanged"
    assert target.received.count("modifyRequest") == 1


def test_a_delete_whose_answer_was_lost_is_done(target, courier):
    link = created(target)
    target.misbehave("deleteRequest", hang_up)
    with pytest.raises(NoReply):
        courier.attempt(task("delete", link=link))
    assert courier.attempt(task("delete", link=link)).outcome == "already-gone"


def test_an_answer_of_500_makes_the_next_attempt_look_first(target, courier):
    target.misbehave("addRequest", lambda _reply: Reply(500, {}, b"the proxy gave up"))
    with pytest.raises(Exception, match="500"):
        courier.attempt(task())
    assert courier.attempt(task()).outcome == "created"
    assert target.received.count("addRequest") == 1
