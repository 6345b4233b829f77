"""`sluice quickstart`, the first thing that anybody sees: run as a user runs it, in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests

from tests.support.service import SHIPPED_POLICIES, eventually, free_port

pytestmark = pytest.mark.xdist_group("acceptance-quickstart")

COMMAND = [sys.executable, "-m", "service", "quickstart"]


@pytest.fixture
def clone(tmp_path):
    """A folder with the shipped policies, as a fresh clone has it."""
    shutil.copytree(SHIPPED_POLICIES, tmp_path / "policies")
    return tmp_path


def environment():
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    return {**inherited, "SLUICE_PORT": str(free_port()), "COLUMNS": "200"}


def run_once(folder):
    return subprocess.run(
        [*COMMAND, "--once"], cwd=folder, env=environment(), capture_output=True, text=True, timeout=90, check=False
    )


def row_about(user, output):
    """The table's row about a user: its cells' folded lines joined."""
    lines = output.splitlines()
    first = next(n for n, line in enumerate(lines) if re.match(rf"│ {user} ", line))
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines[first : first + 2]]
    return " | ".join(" ".join(folded).strip() for folded in zip(*cells, strict=True))


def test_once_shows_who_is_permitted_and_who_is_refused_and_why_and_exits_0(clone):
    done = run_once(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    permitted, refused = row_about("alice", done.stdout), row_about("mallory", done.stdout)
    for word in ("delivered", "Permit", "sandbox-users", "engineers-may-enter", "yes, as "):
        assert word in permitted
    for word in ("refused", "Deny", "sandbox-users", "everyone-else-stays-out", "no request about them arrived"):
        assert word in refused


def edit(folder, old, new):
    sample = folder / "policies" / "sandbox.xml"
    text = sample.read_text()
    assert old in text
    sample.write_text(text.replace(old, new, 1))


def test_a_sample_policy_that_permits_everybody_makes_it_exit_non_zero(clone):
    edit(clone, 'RuleId="everyone-else-stays-out" Effect="Deny"', 'RuleId="everyone-else-stays-out" Effect="Permit"')
    done = run_once(clone)
    assert done.returncode == 1
    assert row_about("alice", done.stdout).endswith("| yes")
    assert row_about("mallory", done.stdout).endswith("| NO")


def test_a_sample_policy_that_is_no_xml_is_named_with_its_line(clone):
    edit(clone, "</PolicySet>", "</PolicySetX>")
    done = run_once(clone)
    assert done.returncode == 1
    assert "sandbox.xml:" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def serving(folder):
    """The quickstart that goes on serving; gives the process and the file that it writes to."""
    output = folder / "output.txt"
    with output.open("wb") as out:
        process = subprocess.Popen(
            COMMAND, cwd=folder, env=environment(), stdout=out, stderr=out, start_new_session=True
        )
    try:
        eventually(
            lambda: "Serving until Ctrl-C" in output.read_text() or process.poll() is not None, "it serves", timeout=60
        )
        yield process, output.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_it_goes_on_serving_until_ctrl_c_and_its_curl_lines_work_when_pasted(clone):
    if shutil.which("curl") is None:
        reason = "curl is not installed"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with serving(clone) as (process, printed):
        provision, read = [line for line in printed.splitlines() if line.startswith("curl ")]
        answer = subprocess.run(provision, shell=True, capture_output=True, text=True, timeout=30, check=True).stdout
        assert '"state":"delivered"' in answer
        listed = subprocess.run(read, shell=True, capture_output=True, text=True, timeout=30, check=True).stdout
        assert '"bob"' in listed
        assert "mallory" not in listed
        service = re.search(r"API +(http://[\d.:]+)", printed)[1]
        os.killpg(process.pid, signal.SIGINT)  # what the terminal does at Ctrl-C
        assert process.wait(30) == 0
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{service}/healthz", timeout=5)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_stays_behind_when_it_is_killed_or_its_terminal_is_closed(clone, how):
    with serving(clone) as (process, printed):
        service = re.search(r"API +(http://[\d.:]+)", printed)[1]
        process.send_signal(how)
        assert process.wait(60) == 0
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{service}/healthz", timeout=5)


def test_a_second_one_beside_it_leaves_its_data_alone(clone):
    with serving(clone) as (process, printed):
        assert run_once(clone).returncode == 0
        key = (clone / "var" / "quickstart" / "secret.key").read_text()
        [provision] = [line for line in printed.splitlines() if '\'{"serviceProvider"' in line]
        token = re.search(r"Bearer (\S+?)'", provision)[1]
        service = re.search(r"API +(http://[\d.:]+)", printed)[1]
        listed = requests.get(
            f"{service}/api/v1/provisioning-requests", headers={"Authorization": f"Bearer {token}"}, timeout=30
        ).json()["items"]
        assert sorted(one["entity"]["name"] for one in listed) == ["alice", "mallory"]
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
    assert (clone / "var" / "quickstart-2" / "secret.key").read_text() != key


def test_names_of_policies_and_rules_are_never_broken_in_two(clone):
    done = subprocess.run(
        [*COMMAND, "--once"],
        cwd=clone,
        env={**environment(), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "everyone-else-stays-out" in done.stdout
    assert "engineers-may-enter" in done.stdout
    assert max(map(len, done.stdout.split("The target is")[0].splitlines())) <= 80
