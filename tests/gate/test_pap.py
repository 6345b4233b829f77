"""From the folder through the database to the snapshot that decides, with real files and real databases."""

import os
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from service.pap import PolicyAdministration, error_json
from service.pdp import PolicyErrors
from service.policy_folder import NoPolicyFolder, PolicyFileChanged, PolicyFileNotFound, PolicyPathRefused
from service.store import publications
from service.store.database import Database
from service.store.models import PolicySourceRow, SnapshotRow
from tests.support.gate import POLICIES, XACML, ask, policy
from tests.support.postgresql import server

PERMIT, DENY = policy("gate", "Permit"), policy("gate", "Deny")
BROKEN = PERMIT.replace("</Policy>", "\n<Rule></Policy>")
GENEROUS = 10


@pytest.fixture(scope="module")
def postgresql():
    with server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'sluice.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    opened = Database(url)
    opened.migrate()
    yield opened
    if request.param == "postgresql":
        with opened.engine.begin() as connection:
            connection.exec_driver_sql(
                "TRUNCATE policy_sources, snapshots, publications, policy_health RESTART IDENTITY CASCADE"
            )
    opened.close()


@pytest.fixture
def small(tmp_path):
    """An SQLite database, for what the kind of database has no part in."""
    opened = Database(f"sqlite:///{tmp_path / 'small.db'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "policies"
    made.mkdir()
    return made


def administration(database, folder, **options):
    options = {"root_algorithm": "deny-overrides", "clock": lambda: datetime.now(UTC), **options}
    return PolicyAdministration(folder=folder, database=database, **options)


@contextmanager
def running(database, folder, **options):
    pap = administration(database, folder, **options)
    pap.start()
    try:
        yield pap
    finally:
        pap.stop()


def eventually(condition):
    until = time.monotonic() + GENEROUS
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def decision(pap):
    return ask(pap.current()).decision


def test_a_folder_is_compiled_published_and_decides(database, folder):
    (folder / "gate.xml").write_text(PERMIT)
    with running(database, folder) as pap:
        current = pap.current()
        assert (current.state, current.errors, decision(pap)) == ("ok", (), "Permit")
        with database.read() as tx:
            newest = publications.newest(tx)
            algorithm, sources = publications.sources(tx, current.hash)
        assert (newest.sequence, newest.snapshot_hash) == (current.sequence, current.hash)
        assert [(one.name, one.kind, one.content) for one in sources] == [("gate.xml", "root", PERMIT.encode())]
        assert algorithm.endswith("deny-overrides")


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_or_missing_folder_is_a_valid_empty_snapshot(small, folder, exists):
    with running(small, folder if exists else folder / "none") as pap:
        assert pap.current().state == "ok"
        assert decision(pap) == "NotApplicable"


def test_an_edit_decides_without_a_restart(small, folder):
    (folder / "gate.xml").write_text(PERMIT)
    with running(small, folder) as pap:
        (folder / "gate.xml").write_text(DENY)
        eventually(lambda: decision(pap) == "Deny")


def test_an_edit_that_breaks_keeps_the_last_good_snapshot_until_it_is_mended(database, folder):
    (folder / "gate.xml").write_text(PERMIT)
    with running(database, folder) as pap:
        before = pap.current()
        (folder / "gate.xml").write_text(BROKEN)
        eventually(lambda: pap.current().state == "degraded")
        (error, *_) = pap.current().errors
        assert (error.file, error.line) == ("gate.xml", 4)
        assert error.message
        assert (decision(pap), pap.current().hash) == ("Permit", before.hash)
        with database.read() as tx:
            assert publications.health(tx).errors == tuple(map(error_json, pap.current().errors))
        (folder / "gate.xml").write_text(DENY)
        eventually(lambda: decision(pap) == "Deny")
        assert (pap.current().state, pap.current().errors) == ("ok", ())
        assert pap.current().sequence > before.sequence


def test_a_bad_file_beside_a_good_one_permits_nothing_at_first_start(small, folder):
    (folder / "a-permit.xml").write_text(PERMIT)
    (folder / "b-deny.xml").write_text(BROKEN.replace("Permit", "Deny").replace("gate", "lock"))
    with running(small, folder) as pap:
        assert (pap.current().state, pap.current().snapshot) == ("none", None)
        assert pap.current().errors[0].file == "b-deny.xml"
        assert ask(pap.current(), not_applicable="permit").gate == "undecided"
        (folder / "b-deny.xml").unlink()
        eventually(lambda: decision(pap) == "Permit")


def test_a_restart_with_a_bad_folder_keeps_deciding_with_the_last_good_snapshot(database, folder):
    (folder / "gate.xml").write_text(PERMIT)
    with running(database, folder) as pap:
        good = pap.current()
    (folder / "gate.xml").write_text(BROKEN)
    with running(database, folder) as pap:
        assert (pap.current().state, pap.current().hash, decision(pap)) == ("degraded", good.hash, "Permit")
    (folder / "gate.xml").write_text(PERMIT)
    with running(database, folder) as pap:
        assert (pap.current().state, pap.current().sequence) == ("ok", good.sequence)


def test_a_file_that_goes_or_is_renamed_makes_a_new_snapshot(small, folder):
    (folder / "gate.xml").write_text(PERMIT)
    (folder / "lock.xml").write_text(policy("lock", "Deny"))
    with running(small, folder) as pap:
        assert decision(pap) == "Deny"
        (folder / "lock.xml").rename(folder / "disabled.xml.off")
        eventually(lambda: decision(pap) == "Permit")
        (folder / "gate.xml").rename(folder / "door.xml")
        eventually(lambda: pap.current().snapshot.policies[0].file == "door.xml")
        (folder / "door.xml").unlink()
        eventually(lambda: decision(pap) == "NotApplicable")


def test_moving_a_policy_to_disabled_and_back_switches_it_off_and_on(small, folder):
    (folder / "lock.xml").write_text(DENY)
    (folder / "disabled").mkdir()
    with running(small, folder) as pap:
        (folder / "lock.xml").rename(folder / "disabled" / "lock.xml")
        eventually(lambda: decision(pap) == "NotApplicable")
        (folder / "disabled" / "lock.xml").rename(folder / "lock.xml")
        eventually(lambda: decision(pap) == "Deny")


LEFT_BEHIND = (
    ".gate.xml.swp",
    ".gate.xml",
    "gate.xml~",
    "gate.xml.bak",
    "#gate.xml#",
    ".#gate.xml",
    "~$gate.xml",
    "4913",
)


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_editors_leave_behind_is_ignored(small, folder, name):
    (folder / "gate.xml").write_text(PERMIT)
    (folder / name).write_text("<not xml")
    with running(small, folder) as pap:
        assert (pap.current().state, decision(pap)) == ("ok", "Permit")


def test_templates_tests_and_disabled_files_are_not_loaded(small, folder):
    for name in ("templates", "tests", "disabled", ".git"):
        (folder / name).mkdir()
        (folder / name / "x.xml").write_text("<not xml")
    with running(small, folder) as pap:
        assert (pap.current().state, decision(pap)) == ("ok", "NotApplicable")


def test_the_ending_counts_in_capitals_too(small, folder):
    (folder / "GATE.XML").write_text(DENY)
    with running(small, folder) as pap:
        assert decision(pap) == "Deny"


@pytest.mark.parametrize("name", ["hr/deny.xml", "library/old/deny.xml", "archive/2025/deny.xml"])
def test_a_policy_in_a_folder_that_nothing_loads_is_an_error(small, folder, name):
    (folder / "gate.xml").write_text(PERMIT)
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(DENY)
    with running(small, folder) as pap:
        (error,) = pap.current().errors
        assert (pap.current().state, error.file) == ("none", name)
        assert "are not loaded" in error.message


def test_library_policies_only_serve_references(small, folder):
    (folder / "library").mkdir()
    (folder / "library" / "lock.xml").write_text(policy("lock", "Deny"))
    with running(small, folder) as pap:
        assert decision(pap) == "NotApplicable"
        (folder / "root.xml").write_text(
            f"""<PolicySet {XACML} PolicySetId="root" Version="1.0"
            PolicyCombiningAlgId="urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:deny-overrides">
            <Target/><PolicyIdReference>lock</PolicyIdReference></PolicySet>"""
        )
        eventually(lambda: decision(pap) == "Deny")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_symbolic_link_that_leaves_the_folder_is_refused(small, folder, tmp_path, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "gate.xml").write_text(PERMIT)
    if kind == "file":
        (folder / "gate.xml").symlink_to(outside / "gate.xml")
    else:
        (folder / "library").symlink_to(outside)
    with running(small, folder) as pap:
        assert pap.current().state == "none"
        assert "symbolic link" in pap.current().errors[0].message


def test_a_symbolic_link_that_leads_nowhere_is_an_error(small, folder):
    (folder / "gate.xml").symlink_to(folder / "gone.txt")
    with running(small, folder) as pap:
        assert pap.current().errors[0].file == "gate.xml"


def test_a_pipe_is_no_policy_and_nobody_waits_for_it(small, folder):
    os.mkfifo(folder / "gate.xml")
    with running(small, folder) as pap:
        assert pap.current().errors[0].message == "is no regular file"


def test_a_mounted_folder_that_is_swapped_as_a_whole_is_followed(small, folder):
    """As Kubernetes mounts a ConfigMap: links through `..data`, which is renamed over."""
    for name, text in (("..1", PERMIT), ("..2", DENY)):
        (folder / name).mkdir()
        (folder / name / "gate.xml").write_text(text)
    (folder / "..data").symlink_to("..1")
    (folder / "gate.xml").symlink_to("..data/gate.xml")
    with running(small, folder) as pap:
        assert decision(pap) == "Permit"
        (folder / "..tmp").symlink_to("..2")
        (folder / "..tmp").rename(folder / "..data")
        eventually(lambda: decision(pap) == "Deny")


def test_several_files_written_in_a_row_become_one_snapshot(small, folder):
    with running(small, folder) as pap:
        before = pap.current().sequence
        for n in range(8):
            (folder / f"p{n}.xml").write_text(policy(f"p{n}"))
            time.sleep(0.05)
        eventually(lambda: len(pap.current().snapshot.policies) == 8)
        assert pap.current().sequence == before + 1


def test_a_process_without_a_folder_follows(database, folder):
    (folder / "gate.xml").write_text(PERMIT)
    with running(database, None) as follower:
        assert (follower.current().state, follower.current().snapshot) == ("none", None)
        with running(database, folder) as pap:
            eventually(lambda: decision(follower) == "Permit")
            (folder / "gate.xml").write_text(DENY)
            eventually(lambda: decision(follower) == "Deny")
            assert follower.current().hash == pap.current().hash
            (folder / "gate.xml").write_text(BROKEN)
            eventually(lambda: follower.current().state == "degraded")
            assert follower.current().errors[0].file == "gate.xml"


def test_a_process_with_a_folder_follows_what_another_one_publishes(small, folder, tmp_path):
    (folder / "gate.xml").write_text(PERMIT)
    other = tmp_path / "other"
    other.mkdir()
    (other / "gate.xml").write_text(DENY)
    with running(small, folder) as first, running(small, other):
        eventually(lambda: decision(first) == "Deny")


def test_the_same_files_are_published_and_stored_once(database, folder):
    (folder / "gate.xml").write_text(PERMIT)
    for text in (PERMIT, DENY, PERMIT):
        (folder / "gate.xml").write_text(text)
        administration(database, folder).refresh()
        administration(database, folder).refresh()
    with database.read() as tx:
        assert len(publications.history(tx)) == 3
        assert tx.scalar(select(func.count()).select_from(SnapshotRow)) == 2
        assert tx.scalar(select(func.count()).select_from(PolicySourceRow)) == 2


def test_an_act_counts_only_while_its_sequence_is_the_newest(database, folder):
    (folder / "gate.xml").write_text(PERMIT)
    pap = administration(database, folder)
    pap.refresh()
    old = pap.current().sequence
    with database.transaction() as tx:
        assert publications.is_newest(tx, old)
    (folder / "gate.xml").write_text(DENY)
    pap.refresh()
    with database.transaction() as tx:
        assert not publications.is_newest(tx, old)
        assert publications.is_newest(tx, pap.current().sequence)


def test_nothing_is_published_between_the_question_and_the_act(database, folder):
    (folder / "gate.xml").write_text(PERMIT)
    pap = administration(database, folder)
    pap.refresh()
    (folder / "gate.xml").write_text(DENY)
    publisher = threading.Thread(target=pap.refresh)
    with database.transaction() as tx:
        assert publications.is_newest(tx, pap.current().sequence)
        publisher.start()
        publisher.join(1)
        assert publisher.is_alive()
        assert publications.newest(tx).sequence == pap.current().sequence
    publisher.join(GENEROUS)
    assert decision(pap) == "Deny"


def test_a_database_that_fails_for_a_while_is_asked_again(small, folder, monkeypatch):
    (folder / "gate.xml").write_text(PERMIT)
    with running(small, folder) as pap:
        works = small.transaction
        monkeypatch.setattr(small, "transaction", lambda: (_ for _ in ()).throw(OSError("gone")))
        (folder / "gate.xml").write_text(DENY)
        time.sleep(1)
        assert decision(pap) == "Permit"
        monkeypatch.setattr(small, "transaction", works)
        eventually(lambda: decision(pap) == "Deny")


def test_an_earlier_snapshot_can_be_had_again(database, folder):
    (folder / "gate.xml").write_text(PERMIT)
    pap = administration(database, folder)
    pap.refresh()
    earlier = pap.current().hash
    (folder / "gate.xml").write_text(DENY)
    pap.refresh()
    assert administration(database, None).snapshot_of(earlier).hash == earlier
    with pytest.raises(PolicyErrors, match="is not stored"):
        pap.snapshot_of("sha256:0")


def test_an_unknown_root_algorithm_is_refused_at_once(small, folder):
    with pytest.raises(ValueError, match=r"deny-overridez.*deny-overrides"):
        administration(small, folder, root_algorithm="deny-overridez")


def test_the_root_algorithm_combines_the_root_policies(small, folder):
    (folder / "gate.xml").write_text(PERMIT)
    (folder / "lock.xml").write_text(policy("lock", "Deny"))
    with running(small, folder, root_algorithm="permit-overrides") as pap:
        assert decision(pap) == "Permit"


# Files


@pytest.fixture
def pap(small, folder):
    (folder / "gate.xml").write_text(PERMIT)
    made = administration(small, folder)
    made.refresh()
    return made


def test_a_file_is_written_whole_and_decides_when_the_write_returns(pap, folder):
    written = pap.write("gate.xml", DENY.encode())
    assert decision(pap) == "Deny"
    assert pap.read("gate.xml") == written
    assert [path.name for path in folder.iterdir()] == ["gate.xml"]


def test_a_file_can_be_made_in_the_library_templates_and_disabled(pap, folder):
    for place in ("library", "templates", "disabled"):
        pap.write(f"{place}/lock.xml", policy("lock", "Deny").encode())
        assert (folder / place / "lock.xml").exists()
    assert decision(pap) == "Permit"
    assert [(one.path, one.kind) for one in pap.files()] == [
        ("gate.xml", "root"),
        ("library/lock.xml", "library"),
        ("templates/lock.xml", "templates"),
        ("disabled/lock.xml", "disabled"),
    ]


def test_the_folder_is_made_with_its_first_file(small, tmp_path):
    made = administration(small, tmp_path / "new" / "policies")
    made.write("gate.xml", PERMIT.encode())
    assert decision(made) == "Permit"


def test_a_write_that_would_break_the_snapshot_writes_nothing(pap, folder):
    with pytest.raises(PolicyErrors) as refused:
        pap.write("lock.xml", BROKEN.encode())
    assert refused.value.errors[0].file == "lock.xml"
    with pytest.raises(PolicyErrors, match="gate"):
        pap.write("again.xml", PERMIT.encode())
    assert [path.name for path in folder.iterdir()] == ["gate.xml"]
    assert (pap.current().state, decision(pap)) == ("ok", "Permit")


def test_a_delete_that_would_break_the_snapshot_deletes_nothing(pap):
    pap.write("library/lock.xml", policy("lock", "Deny").encode())
    pap.write(
        "root.xml",
        f"""<PolicySet {XACML} PolicySetId="root" Version="1.0"
        PolicyCombiningAlgId="urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:deny-overrides">
        <Target/><PolicyIdReference>lock</PolicyIdReference></PolicySet>""".encode(),
    )
    with pytest.raises(PolicyErrors):
        pap.delete("library/lock.xml")
    assert decision(pap) == "Deny"
    pap.delete("root.xml")
    pap.delete("library/lock.xml")
    assert decision(pap) == "Permit"


def test_a_broken_file_can_be_mended_or_removed(pap, folder):
    (folder / "lock.xml").write_text(BROKEN)
    pap.refresh()
    assert pap.current().state == "degraded"
    pap.delete("lock.xml")
    assert pap.current().state == "ok"
    (folder / "lock.xml").write_text(BROKEN)
    pap.write("lock.xml", policy("lock", "Deny").encode())
    assert decision(pap) == "Deny"


def test_a_stale_entity_tag_changes_nothing(pap, folder):
    stale = pap.read("gate.xml").etag
    fresh = pap.write("gate.xml", DENY.encode(), if_match=stale).etag
    for change in (
        lambda: pap.write("gate.xml", PERMIT.encode(), if_match=stale),
        lambda: pap.delete("gate.xml", if_match=stale),
    ):
        with pytest.raises(PolicyFileChanged):
            change()
    with pytest.raises(PolicyFileChanged):
        pap.write("new.xml", policy("new").encode(), if_match=stale)
    assert (folder / "gate.xml").read_text() == DENY
    pap.delete("gate.xml", if_match=fresh)


@pytest.mark.parametrize(
    "path",
    ["", "gate", "gate.txt", "../gate.xml", "/etc/gate.xml", "library/../../gate.xml", "library/a/b.xml", "tests/x.xml",
     "hr/gate.xml", ".gate.xml", "library/.xml", "a\\b.xml", "a\0.xml", "a\n.xml", "C:gate.xml", "x .xml", "./gate.xml",
     "library//x.xml", "gate.XML", "-rf.xml"],
)  # fmt: skip
def test_odd_paths_are_refused(pap, path):
    for use in (pap.read, pap.delete, lambda name: pap.write(name, b"<x/>"), lambda name: pap.check({name: b"<x/>"})):
        with pytest.raises(PolicyPathRefused):
            use(path)


@pytest.mark.parametrize("path", ["größe.xml", "über alles.xml", "a.b-c_d+e.xml", "2026.xml"])
def test_names_of_any_language_are_allowed(pap, path):
    pap.write(path, policy("other").encode())
    assert pap.read(path).path == path


def test_a_file_that_is_not_there_is_told(pap):
    for use in (pap.read, pap.delete):
        with pytest.raises(PolicyFileNotFound):
            use("none.xml")


def test_a_write_never_goes_through_a_link_that_leaves_the_folder(pap, folder, tmp_path):
    target = tmp_path / "outside.xml"
    target.write_text(PERMIT)
    (folder / "disabled").mkdir()
    (folder / "disabled" / "x.xml").symlink_to(target)
    with pytest.raises(PolicyPathRefused):
        pap.write("disabled/x.xml", b"<y/>")
    with pytest.raises(PolicyFileNotFound):
        pap.read("disabled/x.xml")
    assert target.read_text() == PERMIT


def test_a_file_keeps_its_mode(pap, folder):
    (folder / "gate.xml").chmod(0o640)
    pap.write("gate.xml", DENY.encode())
    assert (folder / "gate.xml").stat().st_mode & 0o777 == 0o640


def test_without_a_folder_files_are_read_from_the_database_and_not_written(pap, small):
    follower = administration(small, None)
    follower.refresh()
    assert [one.path for one in follower.files()] == ["gate.xml"]
    assert follower.read("gate.xml").content == PERMIT.encode()
    with pytest.raises(PolicyFileNotFound):
        follower.read("none.xml")
    for use in (lambda: follower.write("x.xml", PERMIT.encode()), lambda: follower.delete("gate.xml")):
        with pytest.raises(NoPolicyFolder, match="SLUICE_POLICIES"):
            use()
    assert not follower.check({"gate.xml": DENY.encode()}).errors


def test_a_check_tells_errors_and_warnings_and_writes_nothing(pap, folder):
    slip = policy("slip").replace(
        "<Target/>",
        """<Target><AnyOf><AllOf><Match MatchId="urn:oasis:names:tc:xacml:1.0:function:string-equal">
        <AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">x</AttributeValue>
        <AttributeDesignator Category="http://wso2.org/identity/idp" AttributeId="http://wso2.org/identity/idp/idp-nam"
        DataType="http://www.w3.org/2001/XMLSchema#string" MustBePresent="false"/></Match></AllOf></AnyOf></Target>""",
    )
    checked = pap.check({"slip.xml": slip.encode(), "lock.xml": BROKEN.encode()})
    assert {one.file for one in checked.errors} == {"lock.xml"}
    assert [(one.file, one.help) for one in checked.warnings] == [
        ("slip.xml", "did you mean `http://wso2.org/identity/idp/idp-name`?")
    ]
    assert not pap.check({"slip.xml": slip.encode()}).errors
    assert not pap.check({}).errors
    assert not pap.check({"gate.xml": None}).errors
    assert [path.name for path in folder.iterdir()] == ["gate.xml"]


def test_a_draft_can_be_compiled_for_a_trial(pap):
    assert pap.compile_draft({"gate.xml": DENY.encode()}).hash != pap.current().hash
    with pytest.raises(PolicyErrors):
        pap.compile_draft({"gate.xml": BROKEN.encode()})


def test_templates_are_those_of_the_folder_or_the_shipped_ones(small, folder):
    made = administration(small, folder, shipped_templates=POLICIES / "templates")
    assert len(made.templates()) == 5
    pap_without = administration(small, None)
    assert pap_without.templates() == ()
    made.write("templates/own.xml", b"<!-- template: Own -->\n<Policy/>")
    assert [one.title for one in made.templates()] == ["Own"]


def test_the_shipped_folder_loads(small):
    made = administration(small, POLICIES)
    made.refresh()
    assert made.current().state == "ok"
    assert len(made.templates()) == 5
