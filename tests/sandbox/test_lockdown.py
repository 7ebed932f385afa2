"""What a locked process can still do, tried in processes of their own; levels are never claimed without (A06)."""

import platform
import signal
import subprocess
import sys

import pytest

from quilate.sandbox import landlock, seccomp
from quilate.sandbox.levels import ATTEMPTS, judge, strong_enough
from quilate.sandbox.lockdown import LockReport
from quilate.sandbox.model import Attempt, Level

linux = pytest.mark.skipif(
    sys.platform != "linux" or seccomp.machine() is None, reason="the filter is Linux's, on x86-64 and AArch64"
)

LOCK = """
import sys
sys.path[:0] = {path!r}
import ctypes, mmap, os, resource, signal, socket, threading
from quilate.sandbox import levels
from quilate.sandbox.lockdown import lock
report = lock(data_bytes=300 << 20, data_ceiling_bytes=400 << 20, parent=os.getppid(), executable_memory={executable},
              further=frozenset())
"""


def locked(code: str, *, executable: bool = False) -> subprocess.CompletedProcess[str]:
    """Run code in a process that has shut itself in."""
    text = LOCK.format(path=sys.path, executable=executable) + code
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)


@linux
def test_every_attempt_to_get_out_is_refused() -> None:
    done = locked("print([(a.name, a.refused) for a in levels.attempt_all()], report.filtered)")
    assert done.stdout.strip() == f"{[(name, True) for name in ATTEMPTS]} True", done.stderr


def test_every_attempt_succeeds_where_nothing_is_locked() -> None:
    code = f"import sys; sys.path[:0] = {sys.path!r}; from quilate.sandbox import levels; "
    code += "print([a.name for a in levels.attempt_all() if a.refused])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


REFUSED = {
    "write a file": "os.open('/tmp/x', os.O_CREAT | os.O_WRONLY)",
    "see a folder": "os.listdir('/')",
    "ask for a file": "os.stat('/etc/passwd')",
    "a local socket": "socket.socket(socket.AF_UNIX)",
    "a pair of sockets": "socket.socketpair()",
    "another program": "os.execv('/bin/true', ['true'])",
    "a child": "os.fork()",
    "a signal": "os.kill(1, 0)",
    "executable memory": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
}


@linux
@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_an_error(name: str) -> None:
    done = locked(f"try:\n    {REFUSED[name]}\nexcept OSError as error:\n    print('refused', error.errno)")
    assert done.stdout.startswith("refused"), done.stderr
    assert done.returncode == 0


@linux
def test_executable_memory_is_there_for_an_engine_that_compiles() -> None:
    done = locked("mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC); print('made')", executable=True)
    assert done.stdout.strip() == "made", done.stderr


DEADLY = {
    "another user's rights": "os.setuid(0)",
    "a message queue": "ctypes.CDLL(None).syscall(240 if sys.maxsize else 0)",
    "a file in memory": "os.memfd_create('x')",
    "a new limit": "resource.setrlimit(resource.RLIMIT_DATA, (1, 1))",
    "a change of root": "os.chroot('/')",
}


@linux
@pytest.mark.parametrize("name", DEADLY)
def test_what_nothing_in_a_worker_ever_does_ends_it(name: str) -> None:
    if name == "a message queue" and platform.machine() != "x86_64":
        pytest.skip("the number is of another processor")
    assert locked(DEADLY[name]).returncode == -signal.SIGSYS


@linux
def test_threads_work_and_memory_ends_at_its_limit() -> None:
    done = locked(
        "thread = threading.Thread(target=print, args=('thread',)); thread.start(); thread.join()\n"
        "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('limit')"
    )
    assert done.stdout.split() == ["thread", "limit"], done.stderr


@linux
def test_nobody_is_root_and_nothing_can_be_dumped() -> None:
    done = locked("print(os.getuid(), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))")
    user, dumpable, no_new_privileges = done.stdout.split()
    assert int(user) != 0
    assert (dumpable, no_new_privileges) == ("0", "1")


def test_a_filter_has_an_answer_for_every_processor_it_knows() -> None:
    for name in ("x86_64", "aarch64"):
        for executable in (True, False):
            code = seccomp.program(name, executable_memory=executable)
            assert len(code) < 4096
            assert (code[-1].code, code[-1].value) == (0x06, 0x80000000)
            for index, step in enumerate(code):
                assert index + max(step.if_true, step.if_false) < len(code)


def test_landlock_says_its_version_or_zero() -> None:
    assert landlock.version() >= 0


HELD = LockReport(filtered=True)
OPEN = Attempt(name="open", refused=False, detail="read 1 byte")
SHUT = Attempt(name="open", refused=True)


@pytest.mark.parametrize(
    ("attempts", "report", "jailed", "level"),
    [
        ((SHUT,), HELD, False, Level.LOCKED),
        ((SHUT,), HELD, True, Level.JAILED),
        ((SHUT, OPEN), HELD, False, Level.PROCESS),
        ((SHUT, OPEN), HELD, True, Level.PROCESS),
        ((SHUT,), LockReport(filtered=False, missing=("seccomp: no",)), False, Level.PROCESS),
        ((SHUT,), LockReport(filtered=False, missing=("seccomp: no",)), True, Level.PROCESS),
    ],
)
def test_a_level_is_only_what_the_attempts_bear_out(
    attempts: tuple[Attempt, ...],
    report: LockReport,
    jailed: bool,  # noqa: FBT001 - a row of the table above
    level: Level,
) -> None:
    judged = judge(attempts, report, jailed=jailed)
    assert judged.level is level
    assert (judged.missing == ()) == (level is Level.JAILED)
    assert strong_enough(judged.level, level)
