"""``quilate connector`` against a real service, its background process and a real receiver (C05, C06)."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quilate.client import Client
from quilate.client.outbound import Delivery
from tests.support.live_service import LiveService, live_service
from tests.support.projects import Outcome, quilate
from tests.support.receivers import Reply, receiver

SECRET = "whsec_" + base64.b64encode(b"c" * 32).decode()


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    allowed = {"private_addresses": ("127.0.0.1",), "plain_http": True}
    with live_service(database_url, tmp_path / "state", local=True, **allowed) as opened:
        with Client(opened.url) as client:
            client.projects.create("fraud", "Fraud")
        yield opened


def connected(service: LiveService, directory: Path, url: str, name: str, *more: str) -> Outcome:
    """Add a webhook connection."""
    at = ("--server", service.url, "--project", "fraud", "--name", name)
    setting = ("--setting", f"url={url}", "--setting", "with_report=false")
    return quilate(directory, "connector", "add", "webhook", *at, *setting, *more, HOOK_SECRET=SECRET)


def ended(client: Client, state: str) -> Delivery:
    """Return the newest delivery once there is one in a state."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for delivery in client.deliveries.list("fraud", state=state):
            return delivery
        time.sleep(0.05)
    raise AssertionError([delivery.state for delivery in client.deliveries.list("fraud")])


def test_a_connection_is_added_tried_and_its_dead_letter_replayed(service: LiveService, tmp_path: Path) -> None:
    at = ("--server", service.url, "--project", "fraud")
    with receiver(lambda _: Reply(status=401)) as outside, Client(service.url) as client:
        added = connected(service, tmp_path, outside.url, "hook", "--secret-env", "secret=HOOK_SECRET")
        assert added.code == 0, added.errors
        number = added.output.split()[0]
        refused = quilate(tmp_path, "connector", "test", "hook", *at)
        assert (refused.code, "refused the credentials" in refused.output) == (1, True)
        (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
        # The connection that is made now is an event for the one that was there before.
        second = connected(
            service, tmp_path, outside.url, "second", "--secret-file", "secret=secret", "--event", "dev.quilate.run.*"
        )
        assert second.code == 0, second.errors
        with service.process("background"):
            dead = ended(client, "dead")
            listed = quilate(tmp_path, "connector", "deliveries", *at, "--state", "dead", "--connection", "hook")
            assert str(dead.id) in listed.output
            assert "then replay it" in listed.output
            outside.answer = lambda _: Reply()
            assert quilate(tmp_path, "connector", "test", number, *at).output.startswith("works: ")
            replayed = quilate(tmp_path, "connector", "replay", str(dead.id), *at)
            assert replayed.output.split() == [str(dead.id), "pending"]
            assert ended(client, "delivered").id == dead.id
        attempts = client.deliveries.get("fraud", dead.id).tried
        again = quilate(tmp_path, "connector", "replay", str(dead.id), *at)
        as_json = quilate(tmp_path, "connector", "deliveries", *at, "--json")
        shown = quilate(tmp_path, "connector", "connections", *at)

    assert [attempt.outcome for attempt in attempts] == ["failed", "delivered"]
    assert (again.code, "not dead" in again.errors) == (2, True)
    assert json.loads(as_json.output)["event"] == str(dead.event)
    assert [line.split()[1:] for line in shown.lines] == [["webhook", "second", "on"], ["webhook", "hook", "on"]]
    assert not any(SECRET in each.output + each.errors for each in (added, second, refused, listed, as_json, shown))


def test_what_makes_no_sense_is_told_with_what_to_do(service: LiveService, tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/"
    at = ("--server", service.url, "--project", "fraud")
    secret = ("--secret-env", "secret=HOOK_SECRET")
    for more, words in (
        ((), "needs the secret"),
        (("--secret-env", "secret=NOT_THERE"), "variable of the secret 'secret' is not set"),
        (("--secret-file", f"secret={SECRET}"), "file of the secret 'secret' cannot be read"),
        (("--secret-env", f"secret={SECRET}"), "variable of the secret 'secret' is not set"),
        (("--secret-file", SECRET), "not of the form NAME=VALUE"),
        ((*secret, "--setting", "with_report=perhaps"), "is no boolean"),
        ((*secret, "--setting", "color=red"), "no setting 'color'"),
        ((*secret, "--setting", "format=xml"), "settings of webhook are not right"),
    ):
        answer = connected(service, tmp_path, url, "hook", *more)
        assert (answer.code, words in answer.errors) == (2, True), answer
        assert SECRET not in answer.errors + answer.output
    unknown = quilate(tmp_path, "connector", "test", "hok", *at)
    assert (unknown.code, "no connection 'hok'" in unknown.errors) == (2, True)


def test_connectors_are_listed_and_shown_without_a_service(tmp_path: Path) -> None:
    listed = quilate(tmp_path, "connector", "list")
    assert any(line.startswith("webhook ") for line in listed.lines)
    shown = quilate(tmp_path, "connector", "show", "webhook")
    assert "url: string  required" in shown.output
    assert "previous_secret: optional" in shown.output
    unknown = quilate(tmp_path, "connector", "show", "webhok")
    assert (unknown.code, "did you mean 'webhook'" in unknown.errors) == (2, True)
