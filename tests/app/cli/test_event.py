"""``quilate event`` against a real service (C03, C06)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from quilate.client import Client
from tests.support.live_service import LiveService, live_service
from tests.support.projects import quilate


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    with live_service(database_url, tmp_path / "state", local=True) as opened:
        with Client(opened.url) as client:
            client.projects.create("fraud", "Fraud", repository_url="https://git.example/fraud.git")
        yield opened


def test_an_event_is_sent_listed_and_replayed(service: LiveService, tmp_path: Path) -> None:
    at = ("--server", service.url, "--project", "fraud")
    send = ("event", "send", *at, "--type", "dev.quilate.key.rotated", "--id", "1", "--subject", "kms/a")
    sent = quilate(tmp_path, *send, "--data", '{"branch": "main"}')
    assert sent.code == 0, sent.errors
    number = sent.output.split()[0]
    assert sent.output.split()[1:] == ["accepted"]
    assert quilate(tmp_path, *send).output.split() == [number, "known", "already"]
    with service.process("background"), Client(service.url) as client:
        event = client.events.get("fraud", number)
        while event.state == "pending":
            event = client.events.get("fraud", number)
        assert (event.state, event.kind, event.subject) == ("unmatched", "key", "kms/a")
    listed = quilate(tmp_path, "event", "list", *at, "--state", "unmatched")
    assert number in listed.output
    assert "no trigger rule matches" in listed.output
    as_json = quilate(tmp_path, "event", "list", *at, "--json")
    assert json.loads(as_json.output)["id"] == number
    assert quilate(tmp_path, "event", "list", *at, "--kind", "push").output == ""
    replayed = quilate(tmp_path, "event", "replay", number, *at)
    assert replayed.output.split() == [number, "pending"]
    again = quilate(tmp_path, "event", "replay", number, *at)
    assert (again.code, "waiting to be worked off" in again.errors) == (2, True)


def test_what_makes_no_sense_is_told_with_what_to_do(service: LiveService, tmp_path: Path) -> None:
    at = ("--server", service.url, "--project", "fraud", "--type", "x")
    for data in ("{", "[1]"):
        answer = quilate(tmp_path, "event", "send", *at, "--data", data)
        assert answer.code == 2
        assert "object" in answer.errors
    refused = quilate(tmp_path, "event", "send", *at, "--source", "a b")
    assert refused.code == 2
    assert "CloudEvents" in refused.errors
