"""Which repositories may be cloned at all: kinds of address, allowed paths, private networks (C03, C08)."""

import socket
from pathlib import Path

import pytest

from quilate.runs.workspaces import addresses
from quilate.runs.workspaces.addresses import HttpsRepository, parse_repository, resolve_host
from quilate.runs.workspaces.errors import SourceRefusedError
from quilate.runs.workspaces.limits import WorkspaceSettings
from tests.support.repositories import commit_all


def settings(tmp_path: Path, **given: object) -> WorkspaceSettings:
    return WorkspaceSettings(root=tmp_path / "cache", **given)  # type: ignore[arg-type]  # keywords of the class


def repository(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_text("content")
    commit_all(path, "one")
    return path


@pytest.mark.parametrize(
    "location",
    [
        *("", "ssh://host/x", "git://host/x", "git@host:x", "http://host/x", "ext::sh -c id", "host:x", "x/y"),
        *("--upload-pack=touch /tmp/x", "-oProxyCommand=id", "https://", "https://host:99999/x", "https://ho st/x"),
        *("https://host/x?a=b", "https://host/x#y", "file://other/x", "file:x", "https:///x", "HTTP://host/x"),
        *("https://host/x\ny", "https://host\\@evil/x", "/a\0b", "https://-host/x", "https://" + "x" * 3000),
    ],
)
def test_nothing_but_https_and_allowed_paths_is_cloned(tmp_path: Path, location: str) -> None:
    with pytest.raises(SourceRefusedError):
        parse_repository(location, "shop", settings(tmp_path, allow_private_networks=True))


def test_a_password_in_an_address_is_refused_and_never_repeated(tmp_path: Path) -> None:
    with pytest.raises(SourceRefusedError) as raised:
        parse_repository("https://user:hunter2@example.org/x.git", "shop", settings(tmp_path))
    assert "hunter2" not in raised.value.message + raised.value.next_step


def test_an_https_address_is_taken_in_one_spelling(tmp_path: Path) -> None:
    found = parse_repository("HTTPS://Example.ORG.:443/a/b.git", "shop", settings(tmp_path))
    assert isinstance(found, HttpsRepository)
    assert (found.url, found.host, found.port) == ("https://example.org/a/b.git", "example.org", 443)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"),  # noqa: S104 - refused
        *("[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]"),
        *("2130706433", "0x7f000001", "0177.0.0.1", "127.1"),
    ],
)
def test_private_addresses_in_any_spelling_are_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(SourceRefusedError):
        parse_repository(f"https://{host}/x.git", "shop", settings(tmp_path))


def test_a_name_that_leads_into_a_private_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in addresses._PROXIES:  # noqa: SLF001 - this machine may have a proxy
        monkeypatch.delenv(name, raising=False)
    found = parse_repository("https://localhost/x.git", "shop", settings(tmp_path))
    assert isinstance(found, HttpsRepository)
    with pytest.raises(SourceRefusedError, match="private network"):
        resolve_host(found, settings(tmp_path))
    assert "127.0.0.1" in resolve_host(found, settings(tmp_path, allow_private_networks=True))


def test_one_private_address_among_public_ones_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in addresses._PROXIES:  # noqa: SLF001 - this machine may have a proxy
        monkeypatch.delenv(name, raising=False)
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    found = parse_repository("https://example.org/x.git", "shop", settings(tmp_path))
    assert isinstance(found, HttpsRepository)
    with pytest.raises(SourceRefusedError):
        resolve_host(found, settings(tmp_path))


def test_only_named_hosts_where_hosts_are_named(tmp_path: Path) -> None:
    narrow = settings(tmp_path, allowed_hosts=("git.example.org",))
    parse_repository("https://git.example.org/x", "shop", narrow)
    with pytest.raises(SourceRefusedError):
        parse_repository("https://git.example.org.evil.example/x", "shop", narrow)


class TestPaths:
    def test_a_path_is_taken_below_an_allowed_directory_only(self, tmp_path: Path) -> None:
        inside, outside = repository(tmp_path / "allowed" / "one"), repository(tmp_path / "elsewhere")
        given = settings(tmp_path, allowed_local_roots=(str(tmp_path / "allowed"),))
        assert parse_repository(str(inside), "shop", given).address == str(inside)
        assert parse_repository(inside.as_uri(), "shop", given).address == str(inside)
        refused = []
        for path in (outside, tmp_path / "allowed" / ".." / "elsewhere", tmp_path / "not-there", Path("/etc")):
            with pytest.raises(SourceRefusedError) as raised:
                parse_repository(str(path), "shop", given)
            refused.append(raised.value.message)
        assert len(set(refused)) == 1, "the message tells nothing of what is there"
        with pytest.raises(SourceRefusedError):
            parse_repository(str(inside), "shop", settings(tmp_path))

    def test_each_project_has_its_own_directory(self, tmp_path: Path) -> None:
        path = repository(tmp_path / "git" / "shop" / "one")
        given = settings(tmp_path, allowed_local_roots=(str(tmp_path / "git" / "{project}"),))
        parse_repository(str(path), "shop", given)
        with pytest.raises(SourceRefusedError):
            parse_repository(str(path), "bank", given)

    def test_a_link_does_not_lead_to_another_repository(self, tmp_path: Path) -> None:
        outside = repository(tmp_path / "elsewhere")
        allowed = tmp_path / "allowed"
        allowed.mkdir()
        (allowed / "link").symlink_to(outside)
        given = settings(tmp_path, allowed_local_roots=(str(allowed),))
        with pytest.raises(SourceRefusedError):
            parse_repository(str(allowed / "link"), "shop", given)

    @pytest.mark.parametrize("way", ["gitfile", "objects", "alternates", "quoted", "common", "loose"])
    def test_a_repository_that_borrows_from_another_is_refused(self, tmp_path: Path, way: str) -> None:
        secret = repository(tmp_path / "secret") / ".git"
        mine = repository(tmp_path / "allowed" / "mine")
        inner = mine / ".git"
        if way == "gitfile":
            inner.rename(tmp_path / "moved")
            inner.write_text(f"gitdir: {secret}\n")
        elif way == "objects":
            (inner / "objects").rename(tmp_path / "moved")
            (inner / "objects").symlink_to(secret / "objects")
        elif way in {"alternates", "quoted"}:
            name = f'"{secret}/objects"' if way == "quoted" else "../../../../secret/.git/objects"
            (inner / "objects" / "info" / "alternates").write_text(f"{name}\n")
        elif way == "common":
            (inner / "commondir").write_text(f"{secret}\n")
        else:
            (inner / "objects" / "pack" / "pack-1.pack").symlink_to(secret / "HEAD")
        given = settings(tmp_path, allowed_local_roots=(str(tmp_path / "allowed"),))
        with pytest.raises(SourceRefusedError):
            parse_repository(str(mine), "shop", given)
