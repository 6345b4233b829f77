from datetime import timedelta
from pathlib import Path

import pytest

from service.config import PRIVATE, SettingsError, load

NO_FILE = Path("/nonexistent/sluice.toml")


def test_without_anything_set_the_documented_defaults_hold():
    settings = load({}, NO_FILE)
    assert settings.url == "sqlite:///var/sluice.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.policies == Path("policies")
    assert settings.blocking_timeout == timedelta(seconds=30)
    assert settings.allow_targets == ()


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / "sluice.toml"
    file.write_text('port = 9000\nSLUICE_HOST = "127.0.0.2"\nallow_targets = ["10.0.0.0/8", "127.0.0.1"]\n')
    settings = load({"SLUICE_PORT": "9001"}, file)
    assert (settings.host, settings.port) == ("127.0.0.2", 9001)
    assert [str(n) for n in settings.allow_targets] == ["10.0.0.0/8", "127.0.0.1/32"]


def test_an_empty_policies_setting_follows_the_database():
    assert load({"SLUICE_POLICIES": ""}, NO_FILE).policies is None


def test_allowing_private_targets_means_all_private_and_loopback_ranges():
    assert set(load({"SLUICE_ALLOW_PRIVATE_TARGETS": "on"}, NO_FILE).allow_targets) == set(PRIVATE)


@pytest.mark.parametrize(
    ("text", "address"), [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:9464", ("::1", 9464)), ("", None)]
)
def test_a_workers_metrics_have_an_address_of_their_own_or_none(text, address):
    assert load({"SLUICE_WORKER_METRICS": text}, NO_FILE).worker_metrics == address


@pytest.mark.parametrize("text", ["9464", ":9464", "localhost", "::1:9464", "localhost:http", "localhost:99999"])
def test_what_is_no_address_is_told(text):
    with pytest.raises(SettingsError, match="SLUICE_WORKER_METRICS: `"):
        load({"SLUICE_WORKER_METRICS": text}, NO_FILE)


def test_every_problem_is_told_at_once_and_names_its_setting():
    with pytest.raises(SettingsError) as caught:
        load({"SLUICE_PORT": "http", "SLUICE_TIME_ZONE": "Mars/Olympus", "SLUICE_COLOUR": "red"}, NO_FILE)
    told = str(caught.value)
    assert len(caught.value.problems) == 3
    assert "SLUICE_PORT: `http` is no port" in told
    assert "SLUICE_TIME_ZONE: `Mars/Olympus` is no IANA time zone" in told
    assert "SLUICE_COLOUR: unknown setting" in told


def test_postgresql_needs_a_secret_key():
    with pytest.raises(SettingsError, match="SLUICE_SECRET_KEY: required with PostgreSQL"):
        load({"SLUICE_DATABASE_URL": "postgresql+psycopg://127.0.0.1/sluice"}, NO_FILE)


def test_secrets_do_not_show_in_the_settings_representation():
    settings = load({"SLUICE_ADMIN_PASSWORD": "hunter2", "SLUICE_ADMIN_TOKEN": "tok-123"}, NO_FILE)
    assert "hunter2" not in repr(settings)
    assert "tok-123" not in repr(settings)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    file = tmp_path / "sluice.toml"
    file.write_text("port 9000")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load({}, file)
