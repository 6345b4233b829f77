"""The other engine's process: that it is made importable there, and that nothing it does harms whoever asks."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.crosscheck import translation
from service.crosscheck.comparison import Asked, compare
from service.crosscheck.opinion import NoSecondOpinionError, SecondOpinion
from service.crosscheck.reach import KNOWN_FAULTS
from tests.support.xacml2 import SUBJECT_ID, apply, attribute, condition, policy, request, rule, subject, value

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE = request(attribute(SUBJECT_ID, "alice"))
SLOW = condition(
    apply("string-regexp-match", value("^(a+)+$"), apply("string-one-and-only", subject("urn:example:name")))
)
LETTERS = request(attribute("urn:example:name", "a" * 50 + "!"))


@pytest.fixture(scope="module")
def other():
    with SecondOpinion() as opinion:
        yield opinion


def compared(other, policy_, request_=ALICE):
    (found,) = compare([("root.xml", policy_.encode())], (), [Asked("request.xml", request_.encode())], other, now=NOW)
    return found


def run(code, *options):
    return subprocess.run(
        [sys.executable, *options, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_every_module_is_importable_without_a_warning_and_without_touching_others():
    code = """
import pkgutil, sys, importlib
from pathlib import Path
from service.crosscheck import translation
translation.install()
import ndg.xacml
written = {p: p.stat().st_mtime_ns for p in Path(ndg.xacml.__path__[0]).rglob("*")}
names = [m.name for m in pkgutil.walk_packages(ndg.xacml.__path__, "ndg.xacml.") if ".test" not in m.name]
for name in names:
    importlib.import_module(name)
assert written == {p: p.stat().st_mtime_ns for p in Path(ndg.xacml.__path__[0]).rglob("*")}
assert sys.meta_path[0].find_spec("json", None) is None and sys.meta_path[0].find_spec("ndg.other", []) is None
assert not {"UserDict", "urllib2", "pkg_resources", "collections.UserDict"} & set(sys.modules)
print(len(names))
"""
    done = run(code, "-W", "error", "-W", "ignore:Custom ElementC14N")  # a module of it says that something is missing
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 70
    assert done.stderr == ""


def test_it_is_importable_where_the_interpreter_has_not_made_its_namespace():
    code = """
import sys
sys.modules.pop("ndg", None)
from service.crosscheck import translation
translation.install()
from ndg.xacml.core.functions import functionMap
print(functionMap.get("urn:oasis:names:tc:xacml:1.0:function:string-equal").__name__)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "StringEqual"


def test_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(translation, "VERSION", "0.5.2")
    with pytest.raises(ImportError, match=r"in version 0\.5\.1, not 0\.5\.2"):
        translation.install()


def test_it_stays_out_of_the_process_that_asks(other):
    assert compared(other, policy("<Target/>" + rule())).outcome == "agree"
    assert not [name for name in sys.modules if name.startswith("ndg.xacml")]


def test_it_implements_seventy_functions_and_three_combining_algorithms_of_each_kind(other):
    assert len(other.abilities.functions) == 70
    assert sorted(each.split(":")[-2:] for each in other.abilities.algorithms) == [
        [f"{kind}-combining-algorithm", name]
        for kind in ("policy", "rule")
        for name in ("deny-overrides", "first-applicable", "permit-overrides")
    ]
    assert set(KNOWN_FAULTS) <= other.abilities.functions


def test_a_regular_expression_that_hangs_ends_at_the_time_limit_and_the_next_question_is_answered():
    with SecondOpinion(time_limit=0.5) as other:
        assert other.abilities
        found = compared(other, policy("<Target/>" + rule(SLOW)), LETTERS)
        assert found.reasons == ("it gave no answer within 0.5 s",)
        assert (found.outcome, found.ours) == ("cannot judge", "NotApplicable")
        assert compared(other, policy("<Target/>" + rule())).outcome == "agree"


def test_a_process_that_dies_is_no_agreement_and_is_started_anew():
    with SecondOpinion() as other:
        assert other.abilities
        os.kill(other._process.pid, signal.SIGKILL)
        other._process.wait()
        assert compared(other, policy("<Target/>" + rule())).reasons == ("its process ended with status -9",)
        assert compared(other, policy("<Target/>" + rule())).outcome == "agree"


def test_a_process_that_nobody_waits_for_ends_itself():
    job = {"policy": policy("<Target/>" + rule(SLOW)), "references": [], "request": LETTERS}
    done = subprocess.run(
        [sys.executable, "-m", "service.crosscheck.judge", "0.5"],
        input=json.dumps(job) + "\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGALRM
    assert len(done.stdout.splitlines()) == 1


def test_its_memory_is_bounded():
    with SecondOpinion() as other:
        assert other.abilities
        limits = Path(f"/proc/{other._process.pid}/limits").read_text().splitlines()
    assert [line.split()[3:5] for line in limits if line.startswith("Max address space")] == [[str(1 << 30)] * 2]


def test_what_is_no_xml_is_told_and_not_fatal(other):
    assert other.ask("<Policy", (), ALICE).reason.startswith("it cannot read the policy: XMLSyntaxError")
    assert other.ask(policy("<Target/>"), (), "<Request").reason.startswith(
        "it cannot read the request: XMLSyntaxError"
    )


def test_a_deep_condition_is_judged(other):
    tested = apply("and")
    for _ in range(60):
        tested = apply("not", tested)
    assert compared(other, policy("<Target/>" + rule(condition(tested)))).outcome == "agree"


def test_its_process_does_not_see_our_secrets(monkeypatch):
    monkeypatch.setenv("SLUICE_SECRET_KEY", "hidden")
    with SecondOpinion() as other:
        assert other.abilities
        environment = Path(f"/proc/{other._process.pid}/environ").read_bytes()
    assert b"SLUICE_" not in environment


def test_closing_ends_its_process():
    with SecondOpinion() as other:
        assert other.abilities
        process = other._process
    assert process.poll() is not None


def test_it_says_when_it_is_not_installed(tmp_path, monkeypatch):
    (tmp_path / "fissix.py").write_text("raise ImportError('no fissix here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with SecondOpinion() as other, pytest.raises(NoSecondOpinionError, match="no fissix here"):
        other.ask(policy("<Target/>"), (), ALICE)
