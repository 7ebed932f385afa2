"""``quilate login``: a token kept for its owner alone, used by the commands that speak to a service (C06, C09)."""

import asyncio
import json
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quilate.accounts.bootstrap import first_admin_link
from quilate.app.cli.logins import KeptLogin, address_of, forget_login, keep_login, kept_token, logins_file
from quilate.client import Client
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.database import Database
from tests.support.live_service import LiveService, live_service
from tests.support.projects import QUILATE, Outcome, environment, lint_project, quilate

PASSWORD = "correct horse battery staple"  # noqa: S105 - of a user who exists for a test
EMAIL = "ann@example.org"


def typed(directory: Path, text: str, *arguments: str, **changes: str) -> Outcome:
    """Run a command with something on its standard input."""
    done = subprocess.run(
        [QUILATE, *arguments],
        cwd=directory,
        env=environment(directory.parent / "quilate-home", **changes),
        input=text.encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    return Outcome(code=done.returncode, output=done.stdout.decode(), errors=done.stderr.decode())


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    async def link(url: str) -> str:
        async with Database.open(database_url) as database:
            made = await first_admin_link(database, url)
            assert made is not None
            return made

    with live_service(database_url, tmp_path / "state", local=False) as opened:
        token = asyncio.run(link(opened.url)).rpartition("token=")[2]
        setup = {"token": token, "email": EMAIL, "name": "Ann", "password": PASSWORD}
        with Client(opened.url) as client:
            client._transport.request("POST", "/auth/setup", json=setup)  # noqa: SLF001 - people do this in a browser
            client.login(EMAIL, PASSWORD)
            client.projects.create("sample", "Sample")
            client.logout()
        yield opened


def test_a_password_becomes_a_token_of_this_machine_that_other_commands_use(
    service: LiveService, tmp_path: Path
) -> None:
    project = lint_project(tmp_path / "project", "x = 1\n")
    refused = quilate(project, "run", "--server", service.url)
    assert refused.code == 2
    assert "none is kept yet" in refused.errors
    done = typed(project, f"{PASSWORD}\n", "login", "--server", f"{service.url}/", "--email", EMAIL)

    assert done.code == 0, done.output + done.errors
    assert "logged in at" in done.output
    assert PASSWORD not in done.output + done.errors
    kept = tmp_path / "quilate-home" / "logins.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    [login] = json.loads(kept.read_text(encoding="utf-8"))["logins"].values()
    assert PASSWORD not in kept.read_text(encoding="utf-8")
    assert login["token"] not in done.output + done.errors
    with Client(service.url, token=login["token"]) as client:
        me = client.me()
        assert me.scopes is not None
        assert "run:submit" in me.scopes
        assert not {"waiver:approve", "instance:admin", "project:admin"} & set(me.scopes)

    late = quilate(project, "gate", "--server", service.url, "--upload", "--timeout", "1")
    assert (late.code, late.lines[-1]) == (3, "exit 3: undecided"), late.output + late.errors
    listed = quilate(project, "script", "list", "--server", service.url, "--project", "sample")
    assert listed.code == 0, listed.errors

    elsewhere = quilate(project, "script", "list", "--server", service.url.replace("127.0.0.1", "localhost"))
    assert (elsewhere.code, elsewhere.errors.splitlines()[0]) == (2, "error: this needs a login")
    assert f"has kept tokens for {service.url}: give --server spelled so" in elsewhere.errors
    unknown = quilate(project, "script", "list", "--server", service.url)
    assert unknown.errors.splitlines()[0] == "error: there is no project 'default'"
    assert "an administrator makes one with POST /api/v1/projects" in unknown.errors

    nothing = quilate(project, "verify", "sha256:" + "a" * 64, "--server", service.url, "--project", "sample")
    assert nothing.errors.splitlines()[0].startswith("error: the service has no seal"), nothing.errors
    refused = quilate(project, "audit", "export", "--server", service.url, "--output", "audit.ndjson")
    assert "this needs the permission audit:read" in refused.errors or refused.code == 0, refused.errors

    gone = quilate(project, "logout", "--server", service.url)
    assert "forgot the token" in gone.output
    assert quilate(project, "script", "list", "--server", service.url, "--project", "sample").code == 2
    assert "no login" in quilate(project, "logout", "--server", service.url).output


def test_a_token_is_pasted_and_only_kept_where_the_service_knows_it(service: LiveService, tmp_path: Path) -> None:
    here = tmp_path / "project"
    here.mkdir()
    with Client(service.url) as client:
        client.login(EMAIL, PASSWORD)
        token = client.create_token("laptop", ["project:read"], 1).token
    wrong = typed(here, "ql_unknown_secret\n", "login", "--server", service.url)
    assert wrong.code == 2
    assert "ql_unknown_secret" not in wrong.output + wrong.errors
    assert typed(here, "", "login", "--server", service.url).code == 2
    assert typed(here, "a b\n", "login", "--server", service.url).code == 2
    assert typed(here, "wrong password\n", "login", "--server", service.url, "--email", EMAIL).code == 2
    assert not (tmp_path / "quilate-home" / "logins.json").exists()

    done = typed(here, f"  {token}\n", "login", "--server", service.url)

    assert done.code == 0, done.errors
    assert token not in done.output + done.errors
    assert token in (tmp_path / "quilate-home" / "logins.json").read_text(encoding="utf-8")


def test_whoever_may_do_less_logs_in_for_what_they_may_do(service: LiveService, tmp_path: Path) -> None:
    here = tmp_path / "project"
    here.mkdir()
    people = {"viewer": {}, "auditor": {"auditor": True}, "nobody": {}}
    with Client(service.url) as client:
        client.login(EMAIL, PASSWORD)
        send = client._transport.request  # noqa: SLF001 - people do this in a browser
        for name, rights in people.items():
            invited = send("POST", "/users", json={"email": f"{name}@example.org", **rights}).json()
            token = invited["link"].rpartition("token=")[2]
            setup = {"token": token, "email": f"{name}@example.org", "name": name, "password": PASSWORD}
            send("POST", "/auth/setup", json=setup)
            if name == "viewer":
                body = {"user_id": invited["user"]["id"], "role": name}
                send("POST", "/projects/sample/members", json=body)
        client.logout()

    for name in ("viewer", "auditor"):
        done = typed(here, f"{PASSWORD}\n", "login", "--server", service.url, "--email", f"{name}@example.org")
        assert done.code == 0, done.errors
        assert "limited to what you may do now: project:read, evidence:read\n" in done.errors
        listed = quilate(here, "script", "list", "--server", service.url, "--project", "sample")
        assert listed.code == 0, listed.errors
    more = ("--email", "viewer@example.org", "--scope", "run:submit")
    refused = typed(here, f"{PASSWORD}\n", "login", "--server", service.url, *more)
    assert (refused.code, "leave out what you may not do" in refused.errors) == (2, True)
    lonely = typed(here, f"{PASSWORD}\n", "login", "--server", service.url, "--email", "nobody@example.org")
    assert (lonely.code, "ask the administrator of a project to add you" in lonely.errors) == (2, True)
    wrong = typed(here, "wrong password\n", "login", "--server", service.url, "--email", EMAIL)
    assert (wrong.code, "kept tokens" in wrong.errors) == (2, False)


def test_no_secret_is_sent_in_the_clear(tmp_path: Path) -> None:
    here = tmp_path / "project"
    here.mkdir()
    for more in ((), ("--email", EMAIL)):
        done = typed(here, "secret\n", "login", "--server", "http://quilate.example.org", *more)
        assert done.code == 2
        assert "unencrypted" in done.errors
    with Client("http://quilate.example.org") as client, pytest.raises(ConfigurationError, match="unencrypted"):
        client.login(EMAIL, PASSWORD)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://Quilate.example.org/", "https://quilate.example.org:443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("https://[::1]:8443/base/", "HTTPS://[::1]:8443/base"),
    ],
)
def test_two_spellings_of_an_address_are_one(home: Path, one: str, other: str) -> None:
    keep_login(one, KeptLogin(token="ql_a"))  # noqa: S106 - of this test
    assert address_of(one) == address_of(other)
    assert kept_token(other) == "ql_a"
    assert kept_token("https://elsewhere.example.org") == ""
    assert forget_login(other) is not None
    assert kept_token(one) == ""
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.usefixtures("home")
def test_a_token_that_has_ended_says_what_to_do() -> None:
    ended = datetime.now(UTC) - timedelta(minutes=1)
    keep_login("https://q.example.org", KeptLogin(token="ql_a", expires_at=ended.isoformat()))  # noqa: S106 - as above
    with pytest.raises(ConfigurationError, match="ended on") as caught:
        kept_token("https://q.example.org")
    assert "quilate login --server https://q.example.org" in caught.value.next_step


@pytest.mark.usefixtures("home")
def test_a_file_that_others_may_read_is_refused() -> None:
    path = keep_login("https://q.example.org", KeptLogin(token="ql_a"))  # noqa: S106 - as above
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="others may read") as caught:
        kept_token("https://q.example.org")
    assert "chmod 600" in caught.value.next_step
    path.chmod(0o600)
    assert kept_token("https://q.example.org") == "ql_a"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b'{"logins": []}', b'{"logins": {"a": {}}}', b'{"logins": {"a": {"token": 7}}}',
     b'{"logins": {"a": {"token": "x", "expires_at": "soon"}}}', b"[" * 10_000,
     b'{"logins": {"a": {"token": "x", "expires_at": "2027-01-01"}}}'],
)  # fmt: skip
def test_a_damaged_file_is_said_to_be(content: bytes) -> None:
    path = logins_file()
    path.parent.mkdir(parents=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is damaged"):
        kept_token("https://q.example.org")
