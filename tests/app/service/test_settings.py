"""Settings of the service: every variable is checked, named in its error and documented."""

from dataclasses import fields
from pathlib import Path

import pytest

from quilate.app.service.settings import VARIABLES, Settings, load_settings, settings_environment, settings_page
from quilate.domain.errors import ConfigurationError, ConfigurationErrors

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "write it anew: see docs/settings.md's first line"


def test_every_setting_has_its_variable() -> None:
    assert {each.setting for each in VARIABLES} == {field.name for field in fields(Settings)}


def test_a_child_reads_the_same_settings_from_its_environment() -> None:
    settings = load_settings(
        {
            "QUILATE_STATE": "/srv/quilate", "QUILATE_DATABASE_URL": "postgresql://me:hidden@db/quilate",
            "QUILATE_HOST": "::1", "QUILATE_PORT": "0", "QUILATE_PUBLIC_URL": "https://quilate.example.org/",
            "QUILATE_ALLOWED_HOSTS": "a.example, B.example", "QUILATE_TRUSTED_PROXIES": "10.0.0.0/8",
            "QUILATE_LOCAL": "1", "QUILATE_ARTIFACTS": "/srv/artifacts", "QUILATE_QUEUES": "data,code",
            "QUILATE_WORKERS": "3", "QUILATE_LEASE_SECONDS": "30.5", "QUILATE_PLUGINS": "a.b,c",
            "QUILATE_REPOSITORY_ROOTS": "/srv/{project}", "QUILATE_TRACE_ENDPOINT": "http://otel:4318",
        }
    )  # fmt: skip
    assert settings.queues == ("data", "code")
    assert settings.public_url == "https://quilate.example.org"
    assert load_settings(settings_environment(settings)) == settings
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUILATE_PORT", "65536"),
        ("QUILATE_PORT", "http"),
        ("QUILATE_HOST", "http://here/"),
        ("QUILATE_QUEUES", "code,gpu"),
        ("QUILATE_QUEUES", ","),
        ("QUILATE_WORKERS", "0"),
        ("QUILATE_LEASE_SECONDS", "nan"),
        ("QUILATE_LEASE_SECONDS", "soon"),
        ("QUILATE_LOCAL", "perhaps"),
        ("QUILATE_DATABASE_URL", "mysql://me:hidden@db"),
        ("QUILATE_PUBLIC_URL", "ftp://quilate"),
        ("QUILATE_PUBLIC_URL", "https://quilate:port"),
        ("QUILATE_PUBLIC_URL", "https://me:hidden@quilate"),
        ("QUILATE_TRUSTED_PROXIES", "proxy.example"),
        ("QUILATE_LOG_LEVEL", "loud"),
        ("QUILATE_PLUGINS", "os; import sys"),
        ("QUILATE_REPOSITORY_ROOTS", "relative"),
        ("QUILATE_SECRET_VARIABLES", "*"),
        ("QUILATE_SECRET_VARIABLES", "TOKEN*"),
        ("QUILATE_SECRET_VARIABLES", "a b"),
        ("QUILATE_SECRET_VARIABLES", "shop:QUILATE_*"),
        ("QUILATE_SECRET_VARIABLES", "QUILATE_DATABASE_URL"),
        ("QUILATE_SECRET_VARIABLES", "Shop/x:TOKEN"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        load_settings({name: value})
    (error,) = caught.value.errors
    assert error.message.startswith(f"{name} expects ")
    assert "hidden" not in str(caught.value)


def test_all_wrong_values_are_told_at_once() -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        load_settings({"QUILATE_PORT": "x", "QUILATE_WORKERS": "x"})
    assert len(caught.value.errors) == 2


def test_the_command_line_wins_and_an_empty_variable_counts_as_absent() -> None:
    assert load_settings({"QUILATE_PORT": "x"}, port=9000).port == 9000
    assert load_settings({"QUILATE_PORT": ""}).port == 8080


def test_a_beat_must_leave_room_for_a_missed_one() -> None:
    with pytest.raises(ConfigurationError, match=r"QUILATE_BEAT_SECONDS .8. is more than half"):
        load_settings({"QUILATE_BEAT_SECONDS": "8"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "quilate.example.org", "127.0.0.1.example.org"])  # noqa: S104 - refused
def test_the_single_user_mode_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ConfigurationError, match="loopback only"):
        load_settings({}, local=True, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_in_all_its_forms_is_taken(host: str) -> None:
    settings = load_settings({"QUILATE_HOST": host}, local=True)
    assert "localhost" in settings.hosts


def test_hosts_are_the_public_one_and_loopback_unless_they_are_named() -> None:
    assert load_settings({"QUILATE_PUBLIC_URL": "https://Quilate.Example"}).hosts[0] == "quilate.example"
    assert load_settings({"QUILATE_ALLOWED_HOSTS": "a"}).hosts == ("a",)
    assert "a" not in load_settings({"QUILATE_ALLOWED_HOSTS": "a"}, local=True).hosts
