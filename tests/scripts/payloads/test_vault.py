"""Keys of projects: tokens that stay and join, contents that only their project opens, erased with their row (A18)."""

from dataclasses import replace

import pytest

from quilate.evidence.artifacts import ArtifactCorruptError, ArtifactMissingError
from quilate.kit.database.database import Database
from quilate.kit.secrets.box import SecretUnreadableError, box_of
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.sealing import PIECE, new_key, open_bytes, seal_bytes
from quilate.scripts.payloads.vault import DataVault
from tests.support.payloads import PayloadSite, payload_site


@pytest.mark.asyncio
async def test_tokens_are_the_projects_own_and_stay_when_keys_are_rotated(site: PayloadSite) -> None:
    token = (await site.vault.tokeniser(site.project)).token("111.444.777-35", "cpf")
    other = payload_site(site.database, site.root / "other")
    assert (await other.vault.tokeniser(other.project)).token("111.444.777-35", "cpf") != token

    kept = await site.store.keep_bytes(b"[1]", FileFormat.JSON, seal_for=site.project)
    assert await site.vault.rotate(site.project) == 2
    rotated = DataVault(site.database, box_of(b"n" * 32, b"k" * 32))
    assert (await rotated.tokeniser(site.project)).token("111.444.777-35", "cpf") == token
    assert await site.text(kept) == b"[1]"
    later = await site.store.keep_bytes(b"[2]", FileFormat.JSON, seal_for=site.project)
    assert await site.text(later) == b"[2]"


@pytest.mark.asyncio
async def test_texts_and_numbers_of_the_same_signs_join(site: PayloadSite) -> None:
    tokeniser = await site.vault.tokeniser(site.project)
    assert tokeniser.token("4711") == tokeniser.token(4711) == tokeniser.token(4711.0)
    assert tokeniser.token("4711") != tokeniser.token("4711", "customer")
    assert tokeniser.subject(" 4711 ") == tokeniser.subject(4711)


@pytest.mark.asyncio
async def test_another_project_and_another_key_file_open_nothing(site: PayloadSite) -> None:
    kept = await site.store.keep_bytes(b"[1]", FileFormat.JSON, seal_for=site.project)
    other = payload_site(site.database, site.root / "other")
    with pytest.raises(SecretUnreadableError):
        await other.store.read(kept, other.project)
    stranger = DataVault(site.database, box_of(b"x" * 32))
    with pytest.raises(SecretUnreadableError):
        await stranger.tokeniser(site.project)


@pytest.mark.asyncio
async def test_two_processes_that_come_first_agree_on_the_keys(database: Database, site: PayloadSite) -> None:
    second = DataVault(database, site.box)
    first = await site.vault.tokeniser(site.project)
    assert (await second.tokeniser(site.project)).token("x") == first.token("x")


@pytest.mark.asyncio
async def test_what_is_erased_is_not_read_again(site: PayloadSite) -> None:
    long = await site.store.keep_bytes(b"1" * 100_000, FileFormat.JSON, seal_for=site.project)
    assert long.reference is not None
    with pytest.raises(ArtifactMissingError):
        await site.text(replace(long, inline=None, reference=None))
    unsealed = await site.text(replace(long, inline=None))
    assert b"111" not in unsealed, "without the row's key the artifact is noise"


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_sealed_pieces_cannot_be_changed_moved_or_left_out(size: int) -> None:
    key, plain = new_key(), b"x" * size
    sealed = seal_bytes(key, plain)
    assert open_bytes(key, sealed) == plain
    step = PIECE + 16
    pieces = [sealed[start : start + step] for start in range(0, len(sealed), step)]
    wrong = [sealed[:-1], b"\0" + sealed[1:], sealed + b"\0"]
    if len(pieces) > 1:
        wrong += [b"".join(pieces[:-1]), b"".join(reversed(pieces)), b"".join(pieces[1:])]
    for changed in wrong:
        if changed != sealed:
            with pytest.raises(ArtifactCorruptError):
                open_bytes(key, changed)
