"""Bad names, rights, outputs and a damaged ``.quilate`` through the whole command line (issue: "Bad input")."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from quilate.evidence.safe_text import visible_text
from quilate.kit.canonical import sha256_of
from quilate.runs.files import FileRecord
from tests.support.hostile import (
    PYTHON_CHECKS,
    assert_refused,
    assert_usage_error,
    checks_of,
    command_check,
    project_of,
    quilate_without_override,
)
from tests.support.processes import processes_with, unique_marker
from tests.support.projects import QUILATE, Outcome, environment, lint_project, quilate
from tests.support.repositories import commit_all, git

CLEAN = "ANSWER = 42\n"
DIRTY = "import os\n"


def escaped(outcome: Outcome) -> bool:
    return not any(character != "\n" and not character.isprintable() for character in outcome.output + outcome.errors)


HOSTILE = "\x1b[31mred\x1b]0;title\x07\x9b31m\u202e\x08"


@pytest.mark.parametrize("language", ["C.UTF-8", "C"])
def test_names_and_texts_do_not_command_the_terminal(tmp_path: Path, language: str) -> None:
    program = f"print({HOSTILE!r}); raise SystemExit(1)"
    project = project_of(tmp_path / "project", [command_check(program), *checks_of("CODE_LINT")])
    (project / f"name{HOSTILE}.py").write_text("import os\n", encoding="utf-8")
    (project / f"broken{HOSTILE}.py").write_bytes(b"\xff")
    (project / f"link{HOSTILE}").symlink_to("/etc/passwd")

    done = quilate(project, "run", LC_ALL=language)

    assert_refused(done, 1, "\\x1b", "QL-CMD-001")
    commands = [["explain"], ["run", "--json"], ["run", "--sarif"], ["run", "--junit"], ["explain", "--json"], ["plan"]]
    for outcome in (done, *(quilate(project, *command) for command in [*commands, ["init", "--print"]])):
        assert escaped(outcome), ascii(outcome.output + outcome.errors)


NAMES = {
    b"new\nline.py": "new\\x0aline.py",
    b"qu\"o'te.py": "qu\"o'te.py",
    b"-x.py": "-x.py",
    b"sp ace.py": "sp ace.py",
    "\U0001f600.py".encode(): "\U0001f600.py",
    b"bytes\xff.py": "bytes\\xff.py",
    b"$(id).py": "$(id).py",
}
SECRET = "ghp_" + hashlib.sha256(b"quilate bad input").hexdigest()[:36]
FAULTY = f"""\
import os, pickle, hashlib
TOKEN = "{SECRET}"
A = hashlib.md5(b"").hexdigest( )
pickle.loads(b"")
def f(a):
{"".join(f"{'    ' * depth}if a > {depth}:{chr(10)}" for depth in range(1, 9))}{"    " * 9}return 1
"""


def write_bytes_named(directory: Path, name: bytes, text: str) -> None:
    Path(os.fsdecode(os.fsencode(directory) + b"/" + name)).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("check", PYTHON_CHECKS)
def test_every_name_that_a_file_can_have_is_judged(tmp_path: Path, check: str) -> None:
    project = project_of(tmp_path / "project", checks_of(check))
    for name in NAMES:
        write_bytes_named(project, name, FAULTY)

    done = quilate(project, "run", "--json")

    assert done.code == 1, done.output + done.errors
    findings = json.loads(done.output)["checks"][0]["attempts"][0]["evidence"]["findings"]
    # The scanner of secrets writes U+FFFD for a byte that is not UTF-8.
    paths = {visible_text(finding["location"]["path"]).replace("\ufffd", "\\xff") for finding in findings}
    assert paths == set(NAMES.values())
    assert SECRET not in done.output
    for output_format in ("sarif", "junit"):
        saved = quilate(project, "run", f"--{output_format}", "--output", str(tmp_path / output_format))
        assert_refused(saved, 1, "exit 1: rejected by the gate")


def test_test_files_of_every_name_are_run(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", ["id: tests, type: UNIT_TESTS"], f"interpreter: {sys.executable}\n")
    for name in (b"test_new\nline.py", b"-x_test.py", b"test_sp ace.py"):
        write_bytes_named(project, name, "def test_it():\n    assert False\n")
    assert_refused(quilate(project, "run"), 1, "3 failed")

    # pytest itself writes a report that is no XML about a name that is not UTF-8.
    write_bytes_named(project, b"test_bytes\xff.py", "def test_it():\n    pass\n")
    assert_refused(quilate(project, "run"), 3, "UNKNOWN")


def test_an_unreadable_file_or_folder_is_never_left_out(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", CLEAN, folder__hidden_dot_py="import os\n")
    for path in ("module.py", "folder", "quilate.yaml", "blueprint.yaml"):
        mode = (project / path).stat().st_mode
        (project / path).chmod(0)
        done = quilate_without_override(project, "run")
        (project / path).chmod(mode)
        assert_usage_error(done, path, "cannot be read", "make it readable")
    commit_all(project, "tracked")
    (project / "folder").chmod(0)
    assert_usage_error(quilate_without_override(project, "run"), "folder/hidden.py", "cannot be read")
    (project / "folder").chmod(0o755)


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    project.chmod(0o555)
    assert_usage_error(quilate_without_override(project, "run"), "cannot write", ".quilate", "writable")
    project.chmod(0o755)
    assert quilate(project, "run").code == 0
    for kept in (".quilate", ".quilate/runs", ".quilate/cache/results"):
        (project / kept).chmod(0o500)
        assert_usage_error(quilate_without_override(project, "run"), "cannot write", kept)
        assert quilate_without_override(project, "plan").code == 0
        (project / kept).chmod(0o755)


def test_a_missing_tool_is_an_error_with_its_install_command(tmp_path: Path) -> None:
    """The interpreter is started from a directory of its own, beside which none of the tools lies."""
    project = lint_project(tmp_path / "project", CLEAN)
    directory = tmp_path / "environment" / "bin"
    directory.mkdir(parents=True)
    (directory / "python").symlink_to(Path(sys.executable).resolve())
    program = "import sys; from quilate.app.cli import main; sys.argv[:1] = ['quilate']; main()"
    packages = os.pathsep.join(path for path in sys.path if path)

    def run(command: str) -> Outcome:
        done = subprocess.run(
            [str(directory / "python"), "-c", program, command],
            cwd=project,
            env=environment(tmp_path / "home", PATH=str(directory), PYTHONPATH=packages),
            capture_output=True,
            check=False,
            timeout=60,
        )
        return Outcome(code=done.returncode, output=done.stdout.decode(), errors=done.stderr.decode())

    assert_refused(run("run"), 3, "UNKNOWN", "ruff is not installed", "install it: pip install 'quilate[code]'")
    assert_refused(run("doctor"), 1, "ruff is not installed", "fix: pip install 'quilate[code]'")


def corrupted(pattern: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(kept: Path) -> None:
        files = [file for file in kept.glob(pattern) if file.is_file()]
        assert files, f"nothing at {pattern}"
        for file in files:
            file.write_bytes(change(file.read_bytes()))

    return damage


def without_findings(content: bytes) -> bytes:
    document = json.loads(content)
    document["evidence"]["findings"] = []
    return json.dumps(document).encode()


def foreign_entry(kept: Path) -> None:
    """Put a whole, consistent answer "nothing found" where the project's own answer is looked up."""
    clean = lint_project(kept.parent.parent / "clean", CLEAN)
    assert quilate(clean, "run").code == 0
    (own,) = (kept / "cache/results").glob("*.json")
    (other,) = (clean / ".quilate/cache/results").glob("*.json")
    assert own.name != other.name
    own.write_bytes(other.read_bytes())


def pipes_for_results(kept: Path) -> None:
    for file in (kept / "cache/results").glob("*.json"):
        file.unlink()
        os.mkfifo(file)


def garbage_for_index(kept: Path) -> None:
    (kept / "cache/files.msgpack").write_bytes(b"\x81\xa1\xff\x01")


def junk(kept: Path) -> None:
    (kept / "cache/results/junk").mkdir()
    (kept / "cache/artifacts/dangling").symlink_to("nowhere")
    (kept / "runs/7").mkdir()
    (kept / "runs/not-a-number").write_bytes(b"\xff")


DAMAGE: dict[str, Callable[[Path], None]] = {
    "results are garbage": corrupted("cache/results/*", lambda _: b"\xff{{{"),
    "results hold a damaged byte": corrupted("cache/results/*", lambda old: old.replace(b"F401", b"F\xff01")),
    "results lost their findings": corrupted("cache/results/*", without_findings),
    "results of another key": foreign_entry,
    "results are pipes": pipes_for_results,
    "index is garbage": garbage_for_index,
    "records are garbage": corrupted("runs/*/*.json", lambda _: b"\xff"),
    "counter is huge": corrupted("last_run", lambda _: b"9" * 5000),
    "counter is beyond all numbers": corrupted("last_run", lambda _: b"99999999999"),
    "counter is no number": corrupted("last_run", lambda _: b"\xff"),
    "junk lies about": junk,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_directory_of_runs_never_changes_the_verdict(tmp_path: Path, damage: str) -> None:
    project = lint_project(tmp_path / "project", DIRTY)
    assert quilate(project, "run").code == 1
    DAMAGE[damage](project / ".quilate")

    done = quilate(project, "run")

    assert_refused(done, 1, "ruff/F401")
    assert quilate(project, "explain").output.splitlines()[0].startswith("Run ")
    assert_refused(quilate(project, "explain", "1"), 2 if damage == "records are garbage" else 0)
    assert quilate(project, "plan").code == 0


def test_an_index_whose_checksum_is_wrong_does_not_vouch_for_a_file(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    assert quilate(project, "run").code == 0
    (project / "module.py").write_text(DIRTY, encoding="utf-8")
    status = (project / "module.py").stat()
    digest = sha256_of(CLEAN.encode())
    record = FileRecord(
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, digest=digest, waiver=False
    )
    (project / ".quilate/cache/files.msgpack").write_bytes(bytes(32) + msgspec.msgpack.encode({"module.py": record}))

    assert_refused(quilate(project, "run"), 1, "ruff/F401")


@pytest.mark.parametrize("kept", ["lock", "last_run", ".gitignore", "runs", "cache", "cache/results"])
def test_a_link_in_the_directory_of_runs_is_never_followed(tmp_path: Path, kept: str) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    precious = tmp_path / "precious"
    precious.write_text("precious", encoding="utf-8")
    target = project / ".quilate" / kept
    target.parent.mkdir(parents=True)
    target.symlink_to(precious)

    assert_usage_error(quilate(project, "run"), kept, "is a symbolic link", "remove it")
    assert precious.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("kept", ["", "lock", "last_run", "runs", "cache/files.msgpack"])
def test_a_wrong_kind_of_file_in_the_directory_of_runs_is_named(tmp_path: Path, kept: str) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    target = project / ".quilate" / kept
    if kept in {"", "runs"}:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"x")
    else:
        target.mkdir(parents=True)

    assert_usage_error(quilate(project, "run"), str(target), "remove")


def test_a_repository_cannot_bring_its_own_results(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    assert quilate(project, "run").code == 0
    git(project, "init", "--quiet")
    git(project, "add", "--force", ".quilate")

    assert_usage_error(quilate(project, "run"), ".quilate is part of the git repository", "git rm -r --cached")


@contextlib.contextmanager
def under_way(project: Path, started: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run and give it once its check runs."""
    with subprocess.Popen(
        [QUILATE, "run"],
        cwd=project,
        env=environment(project.parent / "quilate-home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        limit = time.monotonic() + 30
        while not started.exists() and time.monotonic() < limit:
            time.sleep(0.02)
        assert started.exists()
        yield process


def test_a_second_run_is_locked_out_and_the_first_unharmed(tmp_path: Path) -> None:
    started, free = tmp_path / "started", tmp_path / "free"
    program = (
        f"import os, time; open({str(started)!r}, 'w')\nwhile not os.path.exists({str(free)!r}): time.sleep(0.02)\n"
    )
    project = project_of(tmp_path / "project", [command_check(program, ", timeout: 60s")])
    with under_way(project, started) as first:
        assert_usage_error(quilate(project, "run"), f"another run is under way here (process {first.pid})", "wait")
        free.touch()
        output, errors = first.communicate(timeout=60)

    assert first.returncode == 0, output + errors


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    marker = unique_marker("bad-input")
    started = tmp_path / "started"
    program = (
        f"import os, time\nif os.fork() == 0:\n    os.setsid()\nopen({str(started)!r}, 'w')\n"
        f"time.sleep(600)  # {marker}\n"
    )
    project = project_of(tmp_path / "project", [command_check(program)])
    with under_way(project, started) as run:
        run.send_signal(signal.SIGINT)
        output, errors = run.communicate(timeout=60)

    assert_refused(Outcome(code=run.returncode, output=output.decode(), errors=errors.decode()), 130, "interrupted")
    assert not processes_with(marker)
    assert quilate(project, "explain").code == 2


@pytest.mark.parametrize(
    ("source", "command", "code"),
    [
        (DIRTY, "run", 1),
        (CLEAN, "run", 0),
        (CLEAN, "run --json", 0),
        (CLEAN, "plan", 0),
        (CLEAN, "blueprint show ds-batch", 2),
    ],
)
def test_a_reader_that_leaves_changes_no_verdict(tmp_path: Path, source: str, command: str, code: int) -> None:
    project = lint_project(tmp_path / "project", source)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [QUILATE, *command.split()],
        cwd=project,
        env=environment(tmp_path / "home"),
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writer)

    assert done.stderr == b""
    assert done.returncode == code


def test_a_full_disk_behind_the_output_is_an_error(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [QUILATE, "run"],
            cwd=project,
            env=environment(tmp_path / "home"),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert_usage_error(
        Outcome(code=done.returncode, output="", errors=done.stderr.decode()), "standard output cannot be written"
    )


def test_a_run_without_standard_streams_ends_with_its_verdict(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", DIRTY)

    done = subprocess.run(
        ["sh", "-c", f"exec '{QUILATE}' run <&- >&- 2>&-"], cwd=project, env=environment(tmp_path / "home"), check=False
    )

    assert done.returncode == 1
    assert (project / ".quilate/runs/1/decision.json").is_file()
