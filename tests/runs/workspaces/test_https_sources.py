"""Repositories behind https: bound to the address that was judged, not redirected, logged in unseen (C03)."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from quilate.runs.workspaces import addresses
from quilate.runs.workspaces.errors import SourceRefusedError, SourceUnavailableError
from quilate.runs.workspaces.limits import Credential
from quilate.runs.workspaces.model import Source, SourceKind
from tests.runs.workspaces.conftest import MakeProvider
from tests.support.git_https import GitServer, git_https_server
from tests.support.repositories import git

NAME = "git.quilate.test"


@pytest.fixture
def server(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    for name in addresses._PROXIES:  # noqa: SLF001 - loopback goes through no proxy
        monkeypatch.delenv(name, raising=False)
    with git_https_server(repository.parent, tmp_path, names=(NAME,)) as started:
        yield started


def source(url: str, **given: str) -> Source:
    return Source(kind=SourceKind.GIT, location=url, **given)


def test_a_commit_arrives_and_is_kept(make_provider: MakeProvider, server: GitServer, repository: Path) -> None:
    provider = make_provider(allow_private_networks=True, certificate_authorities=server.certificate)
    tree = provider.materialise(source(server.url("shop")), project="shop")
    assert (tree.root / "src" / "main.py").read_text() == "print('one')\n"
    assert tree.branch == "main"
    asked = len(server.seen)
    assert provider.materialise(tree.source, project="shop").root == tree.root
    assert len(server.seen) == asked, "what is here is not asked for again"
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    assert provider.materialise(source(server.url("shop"), revision=tree.revision), project="shop").root == tree.root
    assert len(server.seen) == asked


def test_loopback_is_refused_before_anything_is_sent(make_provider: MakeProvider, server: GitServer) -> None:
    provider = make_provider(certificate_authorities=server.certificate)
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(SourceRefusedError, match="private network"):
            provider.materialise(source(server.url("shop", host)), project="shop")
    assert server.seen == []


def test_the_connection_is_bound_to_the_address_that_was_judged(
    make_provider: MakeProvider, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only this process knows the name: git reaches the server by what it was told, and asks no other.
    told = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: told)
    provider = make_provider(allow_private_networks=True, certificate_authorities=server.certificate)
    tree = provider.materialise(source(server.url("shop", NAME)), project="shop")
    assert (tree.root / "run.sh").is_file()


def test_a_redirection_is_not_followed(make_provider: MakeProvider, server: GitServer, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with git_https_server(tmp_path / "git", tmp_path / "second") as inner:
        server.redirect_to = inner.url("").rstrip("/")
        provider = make_provider(allow_private_networks=True, certificate_authorities=server.certificate)
        with pytest.raises((SourceRefusedError, SourceUnavailableError)):
            provider.materialise(source(server.url("shop")), project="shop")
        assert inner.seen == []


def test_a_server_that_nobody_vouches_for_is_not_believed(make_provider: MakeProvider, server: GitServer) -> None:
    with pytest.raises(SourceUnavailableError):
        make_provider(allow_private_networks=True).materialise(source(server.url("shop")), project="shop")
    assert server.seen == []


def test_a_credential_is_used_and_left_nowhere(make_provider: MakeProvider, server: GitServer, tmp_path: Path) -> None:
    secret = "p4ss'$(id)`\"% word"  # noqa: S105 - made for this test
    server.login = f"robot:{secret}"
    asked = []

    def credentials(project: str, url: str) -> Credential | None:
        asked.append((project, url))
        return Credential(username="robot", password=secret) if project == "shop" else None

    provider = make_provider(
        allow_private_networks=True, certificate_authorities=server.certificate, credentials=credentials
    )
    tree = provider.materialise(source(server.url("shop")), project="shop")
    assert (tree.root / "run.sh").is_file()
    assert ("shop", server.url("shop")) in asked
    assert secret not in repr(Credential(username="robot", password=secret))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert b"p4ss" not in kept
    for project, revision in (("bank", ""), ("bank", tree.revision)):
        with pytest.raises(SourceRefusedError, match="login"):
            provider.materialise(source(server.url("shop"), revision=revision), project=project)


def test_a_credential_with_a_line_break_is_refused(make_provider: MakeProvider, server: GitServer) -> None:
    provider = make_provider(
        allow_private_networks=True,
        certificate_authorities=server.certificate,
        credentials=lambda *_: Credential(username="a", password="b\nhost=evil"),  # noqa: S106 - made for this test
    )
    with pytest.raises(SourceRefusedError, match="line break"):
        provider.materialise(source(server.url("shop")), project="shop")


def test_what_is_not_there_is_told_from_what_cannot_be_reached(make_provider: MakeProvider, server: GitServer) -> None:
    provider = make_provider(allow_private_networks=True, certificate_authorities=server.certificate)
    with pytest.raises(SourceRefusedError, match="no repository"):
        provider.materialise(source(server.url("none")), project="shop")
    with pytest.raises(SourceUnavailableError):
        provider.materialise(source("https://127.0.0.1:1/none"), project="shop")
