"""What the README and the policies' README name, there is: commands, functions, settings, files."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from service.__main__ import cli
from service.config import READERS
from service.provisioning import courier
from service.store.models import FINAL_STATES, OPEN_STATES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = {"README.md": README, "policies/README.md": (ROOT / "policies" / "README.md").read_text(encoding="utf-8")}
ROOMS = "service.", "", "service.provisioning.", "service.web."


def section(title):
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def found(dotted):
    """The module, function or method of a dotted name, from the room that it is in."""
    for room in ROOMS:
        parts = f"{room}{dotted}".split(".")
        for cut in range(len(parts), 0, -1):
            try:
                thing = importlib.import_module(".".join(parts[:cut]))
            except ModuleNotFoundError:
                continue
            for name in parts[cut:]:
                thing = getattr(thing, name, None)
            if thing is not None:
                return thing
    return None


@pytest.mark.parametrize("dotted", re.findall(r"`([a-z_0-9]+(?:\.\w+)+|pdp)`", section("The way through")))
def test_every_step_of_the_way_through_is_in_the_code(dotted):
    assert found(dotted) is not None


def test_the_five_steps_are_told_with_their_functions():
    rows = [line for line in section("The way through").splitlines() if line.startswith("| ")][1:]
    assert [row.split("|")[1].strip() for row in rows] == ["request in", "gate", "build", "send", "record"]
    assert callable(courier.Courier.deliver_head)


@pytest.mark.parametrize("where", TEXTS)
def test_every_command_that_is_named_exists(where):
    for words in re.findall(r"sluice((?: [a-z][a-z-]*)+)", " ".join(re.findall(r"`([^`]+)`", TEXTS[where]))):
        command = cli
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            assert word in command.commands, f"{where}: `sluice{words}`"
            command = command.commands[word]


def test_every_setting_is_told_and_every_told_one_exists():
    told = set(re.findall(r"SLUICE_[A-Z_]+", section("Run it for real")))
    assert told <= set(READERS)
    assert set(READERS) - told <= {"SLUICE_BROKER_URL", "SLUICE_MAX_SCIM_BODY"}


def test_every_state_is_in_the_diagram():
    diagram = section("States of a delivery")
    assert [state for state in (*FINAL_STATES, *OPEN_STATES) if state not in diagram] == []


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_request_to_decide_about_is_the_first_request_with_its_target(tmp_path):
    body = json.loads(section("A first request of your own").split("-d '")[1].split("'")[0])
    file = tmp_path / "request.json"
    file.write_text(json.dumps({**body, "identityProvider": "sandbox"}))
    told = CliRunner().invoke(cli, ["policy", "decide", str(file), str(ROOT / "policies")])
    assert (told.exit_code, "engineers-may-enter" in told.output) == (0, True)
    assert '"identityProvider": "sandbox"' in section("Write a rule and see it take effect")
