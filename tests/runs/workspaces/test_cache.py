"""The cache of trees: made once, kept while used, never half made, made again when somebody wrote to it (C08)."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quilate.runs.workspaces.cache import DirectoryCache, state_of
from quilate.runs.workspaces.tree_writer import remove_tree

KEY, OTHER, THIRD = "a" * 64, "b" * 64, "c" * 64


def fill(size: int = 10) -> Callable[[Path], Any]:
    def make(target: Path) -> dict[str, int]:
        (target / "folder").mkdir()
        (target / "folder" / "file").write_bytes(b"x" * size)
        return {"size": size}

    return make


@pytest.fixture
def cache(tmp_path: Path) -> DirectoryCache:
    return DirectoryCache(tmp_path / "cache", 1 << 30)


def test_a_tree_is_made_once_for_all_threads(cache: DirectoryCache) -> None:
    made = []

    def make(target: Path) -> None:
        made.append(target)
        (target / "file").write_text("x")

    leases = []
    threads = [threading.Thread(target=lambda: leases.append(cache.lease_tree(KEY, make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({lease.path for lease in leases}) == 1
    for lease in leases:
        lease.close()


def test_what_failed_leaves_nothing_and_is_tried_again(cache: DirectoryCache) -> None:
    def fails(target: Path) -> None:
        (target / "half").write_text("x")
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        cache.lease_tree(KEY, fails)
    assert list((cache.root / "partial").iterdir()) == []
    assert list((cache.root / "trees").iterdir()) == []
    cache.lease_tree(KEY, fill()).close()


def test_a_process_that_dies_leaves_nothing_that_is_taken_for_whole(cache: DirectoryCache, tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys\n"
        "from quilate.runs.workspaces.cache import DirectoryCache\n"
        "def make(target):\n"
        "    (target / 'half').write_text('x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "DirectoryCache(pathlib.Path(sys.argv[1]), 1 << 30).lease_tree(sys.argv[2], make)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, cache.root, KEY], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list((cache.root / "partial").iterdir())) == 1
    lease = cache.lease_tree(KEY, fill())
    assert [path.name for path in lease.path.iterdir()] == ["folder"]
    assert list((cache.root / "partial").iterdir()) == []
    lease.close()


def test_a_tree_that_somebody_wrote_to_is_made_again(cache: DirectoryCache) -> None:
    lease = cache.lease_tree(KEY, fill())
    file = lease.path / "folder" / "file"
    before = file.stat()
    file.write_bytes(b"y" * 10)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    again = cache.lease_tree(KEY, fill())
    assert (again.path / "folder" / "file").read_bytes() == b"x" * 10
    (again.path / "folder" / "new").write_text("added")
    third = cache.lease_tree(KEY, fill())
    assert not (third.path / "folder" / "new").exists()
    for each in (lease, again, third):
        each.close()


def test_reading_a_tree_does_not_change_it(cache: DirectoryCache) -> None:
    lease = cache.lease_tree(KEY, fill())
    before = state_of(lease.path)
    (lease.path / "folder" / "file").read_bytes()
    assert state_of(lease.path) == before == lease.entry.state
    lease.close()


def test_the_longest_unused_goes_first_and_what_is_used_stays(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path / "cache", 250_000)
    used = cache.lease_tree(KEY, fill(100_000))
    cache.lease_tree(OTHER, fill(100_000)).close()
    for key, age in ((KEY, 200), (OTHER, 100)):
        os.utime(cache.root / "locks" / f"trees.{key}", (age, age))
    cache.lease_tree(THIRD, fill(100_000)).close()
    assert used.path.is_dir(), "the oldest, and still used"
    assert sorted(path.name for path in (cache.root / "trees").iterdir()) == [KEY, THIRD]
    used.close()
    os.utime(cache.root / "locks" / f"trees.{KEY}", (200, 200))
    cache.lease_tree(OTHER, fill(100_000)).close()
    assert sorted(path.name for path in (cache.root / "trees").iterdir()) == [OTHER, THIRD]


def test_the_lease_of_another_process_counts_until_it_dies(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from quilate.runs.workspaces.cache import DirectoryCache\n"
        "def make(target):\n"
        "    (target / 'file').write_text('x')\n"
        "lease = DirectoryCache(pathlib.Path(sys.argv[1]), 1).lease_tree(sys.argv[2], make)\n"
        "print('leased', flush=True)\n"
        "time.sleep(600)\n"
    )
    cache = DirectoryCache(tmp_path / "cache", 1)
    with subprocess.Popen([sys.executable, "-c", program, cache.root, KEY], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"leased\n"
        assert cache.prune() == 0
        process.kill()
    assert cache.prune() == 1


def test_mirrors_are_counted_and_pruned_too(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path / "cache", 50_000)
    with cache.mirror(KEY) as path:
        (path / "pack").write_bytes(b"x" * 100_000)
        cache.prune()
        assert path.is_dir()
    assert cache.prune() == 1
    assert not path.exists()


def test_read_only_trees_can_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    (tmp_path / "tree" / "inner" / "file").write_text("x")
    (tmp_path / "tree" / "link").symlink_to(tmp_path)
    (tmp_path / "tree" / "inner").chmod(0o555)
    (tmp_path / "tree").chmod(0o555)
    remove_tree(tmp_path / "tree")
    assert list(tmp_path.iterdir()) == []
