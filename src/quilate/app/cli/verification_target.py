"""What ``quilate verify`` is to verify: the seal, what it should be about, and the records beside it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from quilate.blueprints.project_file import FILE_NAME, load_project
from quilate.domain.errors import ConfigurationError, InternalError
from quilate.kit.canonical import file_digest
from quilate.runs.files import FileIndex, list_workspace
from quilate.runs.record import DECISION_FILE, INPUT_FILE, SEAL_FILE
from quilate.runs.session import RunOptions, plan_of
from quilate.runs.store import RunDirectory
from quilate.runs.subject import subject_of_workspace
from quilate.seals import strict_json
from quilate.seals.log_proof import SealBundle
from quilate.seals.sealing import digest_of_subject

_MAX_RECORD_BYTES = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A seal with the digest of what it should be about.

    Decision and its input are there where they lie beside it, ``bundle`` where it came as one.
    """

    seal: bytes
    subject_digest: str
    decision: bytes | None
    decision_input: bytes | None
    bundle: SealBundle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPolicy:
    """The digests of the blueprint and the profile that a project's file asks for."""

    policy_digest: str
    profile_digest: str


def find_target(subject: str, project: Path, seal: Path | None) -> Target:
    """Return what to verify.

    Args:
        subject: A run's number or ``last``, or the path of a directory or file, which is read again in full.
        project: The project's directory, whose ``.quilate`` keeps the runs.
        seal: The seal's file; by default the run's own, or the newest one of the directory.

    Raises:
        ConfigurationError: There is no such run, path or seal.
    """
    if subject == "last" or subject.isdecimal():
        directory = RunDirectory(project).run_path(subject)
        decision = _optional(directory / DECISION_FILE)
        if decision is None:
            raise ConfigurationError(
                f"run {directory.name} was partial: it has no verdict and no seal",
                next_step="run all of it: quilate run",
            )
        return _target(seal or directory / SEAL_FILE, _sealed_subject(decision), directory)
    path = Path(subject)
    if path.is_dir():
        seal = seal or _newest_seal(path)
        return _target(seal, tree_digest_at(path), seal.parent)
    if not path.is_file():
        raise ConfigurationError(
            f"there is no run and no path {subject!r}", next_step="give a run's number, `last`, or a path"
        )
    if seal is None:
        raise ConfigurationError("a single file's seal is not kept beside it", next_step="give it with --seal")
    return _target(seal, file_digest(path), seal.parent)


def digest_of(subject: str, project: Path) -> str:
    """Return the digest of a subject whose seal lies elsewhere.

    Args:
        subject: A digest (``sha256:`` and 64 hexadecimal digits), a run's number or ``last``, or a path.
        project: The project's directory, whose ``.quilate`` keeps the runs.

    Raises:
        ConfigurationError: There is no such run or path.
    """
    path = Path(subject)
    if re.fullmatch(r"sha256:[0-9a-f]{64}", subject):
        return subject
    if subject == "last" or subject.isdecimal():
        decision = _optional(RunDirectory(project).run_path(subject) / DECISION_FILE)
        return _sealed_subject(decision or b"")
    if path.is_dir():
        return tree_digest_at(path)
    if path.is_file():
        return file_digest(path)
    raise ConfigurationError(
        f"there is no run and no path {subject!r}", next_step="give a digest, a run's number, `last`, or a path"
    )


def tree_digest_at(path: Path) -> str:
    """Return the digest of the judged files of a directory, every one read now.

    Digests remembered from earlier runs lie within the tree itself, so that whoever changed a file could have changed
    them too; they are not used.
    """
    project = load_project(path)
    workspace = list_workspace(path, project.exclude, project.projects)
    return subject_of_workspace(project, workspace, FileIndex(workspace.root, Path(os.devnull))).digest


def expected_policy(project: Path) -> ExpectedPolicy:
    """Return what the project's own file expects.

    Raises:
        ConfigurationError: There is no ``quilate.yaml`` to expect anything, or it is wrong.
    """
    if not (project / FILE_NAME).is_file():
        raise ConfigurationError(
            f"no policy is expected: there is no {FILE_NAME} in {project}",
            next_step="give the blueprint's digest with --policy-digest (`quilate plan --json` prints it)",
        )
    plan = plan_of(load_project(project), RunOptions())
    return ExpectedPolicy(policy_digest=plan.blueprint.document.digest, profile_digest=plan.profile.digest)


def _target(seal: Path, subject_digest: str, records: Path) -> Target:
    content = _read(seal, strict_json.MAX_BYTES)
    if content is None:
        raise ConfigurationError(
            f"there is no seal {seal}", next_step="`quilate run` makes one; or give it with --seal"
        )
    return Target(
        seal=content,
        subject_digest=subject_digest,
        decision=_optional(records / DECISION_FILE),
        decision_input=_optional(records / INPUT_FILE),
    )


def _sealed_subject(decision: bytes) -> str:
    """Return the digest of what a run judged; a decision that was damaged is about nothing that a seal could name."""
    try:
        return digest_of_subject(decision)
    except InternalError:
        return "unknown"


def _newest_seal(root: Path) -> Path:
    directory = RunDirectory(root)
    for number in reversed(directory.numbers()):
        seal = directory.runs / str(number) / SEAL_FILE
        if seal.is_file():
            return seal
    raise ConfigurationError(
        f"no run of {root} left a seal", next_step="`quilate run` makes one; or give it with --seal"
    )


def _optional(path: Path) -> bytes | None:
    return _read(path, _MAX_RECORD_BYTES)


def _read(path: Path, limit: int) -> bytes | None:
    """Return a file's content; one byte beyond the limit where it is longer, for the parser to refuse."""
    try:
        with path.open("rb") as stream:
            return stream.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}", next_step="make it readable") from error
