"""The command line as it is typed: in a process of its own, with its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REQUEST = {
    "serviceProvider": "hr-portal",
    "identityProvider": "sandbox",
    "operation": "create",
    "entity": {"type": "user", "name": "alice", "attributes": {"roles": [{"value": "eng"}]}},
}


def sluice(*words, folder, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}
    return subprocess.run(
        [sys.executable, "-m", "service", *map(str, words)],
        env={**clean, "PYTHONPATH": str(ROOT), "SLUICE_DATA": str(folder / "var"), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def request_file(tmp_path):
    def write(change=None):
        path = tmp_path / "request.json"
        path.write_text(json.dumps({**REQUEST, **(change or {})}))
        return path

    return write


def test_the_shipped_policies_pass_the_check(tmp_path):
    done = sluice("policy", "check", ROOT / "policies", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "snapshot sha256:" in done.stdout
    assert "times in UTC" in done.stdout


def test_a_check_names_file_line_and_reason_and_fails(tmp_path):
    (tmp_path / "bad.xml").write_text("<Policy>\n<Oops")
    done = sluice("policy", "check", tmp_path, "--json", folder=tmp_path)
    assert done.returncode == 1
    errors = json.loads(done.stdout)["errors"]
    assert errors[0]["file"] == "bad.xml"
    assert errors[0]["line"] == 2
    assert errors[0]["message"]


def test_a_permitted_request_is_decided_with_status_0(tmp_path, request_file):
    done = sluice("policy", "decide", request_file(), ROOT / "policies", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["decision"], verdict["gate"]) == ("Permit", "open")
    assert verdict["policies"] == ["sandbox-users"]
    assert "hr-portal" in verdict["request"]


def test_a_refused_request_is_decided_with_status_1_and_names_its_rule(tmp_path, request_file):
    entity = {"type": "user", "name": "mallory", "attributes": {}}
    done = sluice("policy", "decide", request_file({"entity": entity}), ROOT / "policies", folder=tmp_path)
    assert done.returncode == 1
    assert "everyone-else-stays-out" in done.stdout


def test_a_xacml_request_is_answered_in_xacml(tmp_path, request_file):
    frozen = json.loads(
        sluice("policy", "decide", request_file(), ROOT / "policies", "--json", folder=tmp_path).stdout
    )["request"]
    (tmp_path / "request.xml").write_text(frozen)
    done = sluice("policy", "decide", tmp_path / "request.xml", ROOT / "policies", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "<Decision>Permit</Decision>" in done.stdout
    done = sluice("policy", "decide", tmp_path / "request.xml", ROOT / "policies", "--json", folder=tmp_path)
    assert json.loads(done.stdout)["Response"][0]["Decision"] == "Permit"


def test_a_decision_is_explained_down_to_the_values_that_it_hangs_on(tmp_path, request_file):
    done = sluice("policy", "explain", request_file(), ROOT / "policies", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Permit, decided by rule `engineers-may-enter` of policy `sandbox-users`")
    assert "attribute `http://wso2.org/claims/role` (user): `eng`" in done.stdout


def test_an_invalid_request_is_explained_by_what_is_wrong_with_it(tmp_path):
    (tmp_path / "request.xml").write_text('<Request xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"/>')
    done = sluice("policy", "explain", tmp_path / "request.xml", ROOT / "policies", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (explanation,) = json.loads(done.stdout)
    assert explanation["decision"] == "Indeterminate"
    assert explanation["tree"][0]["error"]


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", '{"entity": 1}', "<x>", "<Request>", '{"entity": {"type": "robot"}}', '{"Request": ']
)
@pytest.mark.parametrize("command", ["decide", "explain"])
def test_a_request_that_cannot_be_read_is_wrong_usage_and_told_in_a_sentence(tmp_path, text, command):
    (tmp_path / "request.txt").write_text(text)
    done = sluice("policy", command, tmp_path / "request.txt", ROOT / "policies", folder=tmp_path)
    assert done.returncode == 2
    assert "the request cannot be read: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_request_in_the_json_profile_is_answered_in_it(tmp_path):
    (tmp_path / "request.json").write_text('{"Request": {}}')
    done = sluice("policy", "decide", tmp_path / "request.json", ROOT / "policies", folder=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["Response"]


def test_the_attributes_of_policies_are_listed(tmp_path):
    done = sluice("policy", "attributes", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "urn:sluice:provisioning:entity-type" in {row["id"] for row in json.loads(done.stdout)}


def test_a_token_is_made_and_only_its_hash_is_kept(tmp_path):
    done = sluice("admin", "create-token", "ci", "--scope", "read", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    token = json.loads(done.stdout)["token"]
    assert token.startswith("slc_")
    assert token.encode() not in (tmp_path / "var" / "sluice.db").read_bytes()


def test_a_provision_token_needs_its_service_provider(tmp_path):
    done = sluice("admin", "create-token", "hr", "--scope", "provision", folder=tmp_path)
    assert done.returncode == 2
    assert "--service-provider" in done.stderr
    unknown = sluice("admin", "create-token", "hr", "--scope", "provision", "--service-provider", "x", folder=tmp_path)
    assert unknown.returncode == 1
    assert "there is no service provider `x`" in unknown.stderr


def test_a_wrong_setting_stops_the_start_with_a_sentence(tmp_path):
    done = sluice("serve", folder=tmp_path, SLUICE_PORT="http")
    assert done.returncode == 2
    assert done.stderr.strip() == "sluice: SLUICE_PORT: `http` is no port: use 0 to 65535"


def test_a_wrong_secret_key_stops_the_start_with_a_sentence(tmp_path):
    assert sluice("admin", "create-token", "ci", "--scope", "read", folder=tmp_path).returncode == 0
    (tmp_path / "var" / "secret.key").write_text("A" * 43 + "=")
    done = sluice("serve", folder=tmp_path)
    assert done.returncode == 1
    assert "the secret key is not the one" in done.stderr
