"""Locks that go with their holder."""

import subprocess
import sys
from pathlib import Path

from quilate.kit.file_lock import FileLock

_HOLDER = """
import sys, time
from pathlib import Path
from quilate.kit.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
time.sleep(600)
"""


def test_a_lock_is_refused_while_another_process_holds_it_and_free_once_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not FileLock(path).acquire()
        holder.kill()
    lock = FileLock(path)
    assert lock.acquire()
    lock.write("long text")
    lock.write("short")
    assert lock.read() == "short"
    lock.close()
    lock.close()
