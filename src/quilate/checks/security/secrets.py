"""Look for secrets in the judged files, and on request in the git history.

Why: A key in a repository is a key that everybody has who ever read it; it must be changed, not only deleted.

Input: Every judged file of the workspace, or of the bound `paths`, text or binary, archives included. With `history`
also all commits of the repository in the workspace's root. Nothing is sent anywhere: the scanner does not try whether a
secret still works. Comments that silence the scanner are not obeyed; an accepted finding needs a waiver.

Facts: `secrets_found`, `files_analysed`, `files_unparsed`.

Limits: None is allowed. `confidence` is the least certainty at which the scanner reports (`low`, `medium`, `high`).

Findings: `kingfisher/<rule>`: critical at high confidence, high at medium, medium at low. The secret itself is never
kept: the fingerprint holds a digest of it. Kingfisher's own rules pass over lock files and vendored folders
(`node_modules`), as they are full of hashes. A file beyond 256 MiB is not scanned and leaves the check undecided.

Raises: EvidenceError where kingfisher is missing or fails, where a bound path holds nothing, or where `history` is
asked for without a git repository.

Source: https://github.com/mongodb/kingfisher
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue, Tool
from quilate.checks.source_files import FILE_FACTS, bound_paths, file_facts, nothing_to_judge, one_sentence
from quilate.domain.errors import EvidenceError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import (
    Evidence,
    FactSpec,
    FactType,
    Finding,
    FindingKind,
    Location,
    Undecided,
    number_fact,
)
from quilate.kit.process.model import ProcessLimits
from quilate.kit.words import counted

KINGFISHER = Tool(name="kingfisher", install="pip install 'quilate[security]'", distribution="kingfisher-bin")
MAX_SCANNED_BYTES = 256 << 20
"""Kingfisher reads a file whole; this is its own limit."""
_OUTPUT_BYTES = 512 << 20
_FOUND = frozenset({0, 200, 205})
"""Kingfisher's exit codes of a finished scan: nothing, findings, findings that were validated."""
_SEVERITIES = {"high": Severity.CRITICAL, "medium": Severity.HIGH, "low": Severity.MEDIUM}


class _Rule(msgspec.Struct):
    id: str
    name: str = ""


class _Commit(msgspec.Struct):
    id: str = ""
    date: str = ""


class _Git(msgspec.Struct):
    commit: _Commit = msgspec.field(default_factory=_Commit)


class _Match(msgspec.Struct):
    path: str
    snippet: str
    confidence: str
    line: int = 1
    column_start: int = 1
    column_end: int = 1
    git_metadata: _Git | None = None


class _Found(msgspec.Struct):
    rule: _Rule
    finding: _Match


class _Report(msgspec.Struct):
    findings: list[_Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsParameters:
    """``confidence`` is the least that counts; ``history`` also scans every commit."""

    confidence: Literal["low", "medium", "high"]
    history: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsBinding:
    """``paths`` are workspace paths; none means all."""

    paths: tuple[str, ...] = ()


class Secrets:
    """See the module's docstring."""

    parameters: ClassVar[type] = SecretsParameters
    binding: ClassVar[type] = SecretsBinding
    type: ClassVar[str] = "SECRETS"
    version: ClassVar[str] = "1"
    profile: ClassVar[Mapping[str, Any]] = {"severity_threshold": "medium", "confidence": "medium", "history": False}
    queue: ClassVar[Queue] = Queue.SECURITY
    isolation: ClassVar[Isolation] = Isolation.PROCESS

    def produces(self, parameters: SecretsParameters) -> tuple[FactSpec, ...]:  # noqa: ARG002 - the contract
        """Return the facts."""
        return (
            FactSpec(name="secrets_found", type=FactType.NUMBER, unit="count", description="places with a secret"),
            *FILE_FACTS,
        )

    def inputs(self, parameters: SecretsParameters, binding: SecretsBinding) -> Inputs:
        """Return the bound files and kingfisher; a scan of the history depends on more than files."""
        return Inputs(files=binding.paths or None, tools=(KINGFISHER,), cacheable=not parameters.history)

    def run(self, context: Context) -> Evidence:
        """Scan the judged files, then the history where asked for."""
        bound = bound_paths(context.workspace, context.binding.paths)
        paths = tuple(path for path in bound if ".git" not in path.split("/"))
        copies, skipped = _lay_out(context, paths)
        found = _scan(context, context.scratch / "judged", ("--git-history", "none"))
        findings = [_finding(one, _place(one, copies)) for one in _distinct(found)]
        if context.parameters.history:
            findings += _history_findings(context, found)
        return Evidence(
            summary=f"{counted(len(findings), 'secret')} in {counted(len(copies), 'file')}",
            facts=(number_fact("secrets_found", len(findings), unit="count"), *file_facts(len(paths), skipped)),
            findings=tuple(findings),
            undecided=_undecided(skipped) if paths else (nothing_to_judge("file"),),
        )

    def canary(self, directory: Path) -> Canary:
        """Write a made-up GitHub token, put together here so that no scanner finds it in this file."""
        token = "ghp_" + hashlib.sha256(b"quilate canary").hexdigest()[:36]
        (directory / "canary.cfg").write_text(f"token = {token}\n", encoding="utf-8")
        return Canary(expected_rules=("kingfisher/betterleaks.github-pat",))


def _lay_out(context: Context, paths: Iterable[str]) -> tuple[frozenset[str], dict[str, str]]:
    """Link the judged files into a tree of their own, so that the scanner sees these and nothing else."""
    folder = context.scratch / "judged"
    folder.mkdir()
    laid_out: set[str] = set()
    skipped: dict[str, str] = {}
    for path in paths:
        try:
            original = context.workspace.resolve(path)
            size = original.stat().st_size
            if size > MAX_SCANNED_BYTES:
                skipped[path] = f"has {size} bytes, more than the limit of {MAX_SCANNED_BYTES}"
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(original, target)
        except (EvidenceError, OSError):
            skipped[path] = "could not be opened"
            continue
        laid_out.add(path)
    return frozenset(laid_out), skipped


def _link(original: Path, target: Path) -> None:
    if not os.access(original, os.R_OK):
        raise PermissionError
    try:
        os.link(original, target)
    except OSError:
        shutil.copyfile(original, target)


def _scan(context: Context, folder: Path, options: tuple[str, ...]) -> list[_Found]:
    argv = [context.tool(KINGFISHER), "scan", "--no-validate", "--no-update-check", "--quiet", "--no-dedup"]
    argv += ["--no-ignore", "--max-file-size", "0", "--commit-metadata", "true", "--format", "json"]
    argv += ["--confidence", context.parameters.confidence, *options, "."]
    limits = ProcessLimits(wall_seconds=context.timeout, output_bytes=_OUTPUT_BYTES)
    result = context.run(argv, directory=folder, environment=_rule_cache(), limits=limits)
    if result.returncode not in _FOUND or result.stdout_truncated:
        raise EvidenceError(
            f"kingfisher failed with status {result.returncode}", next_step="run `kingfisher scan` by hand to see why"
        )
    document = result.stdout.partition(b"\n")[0]
    try:
        return msgspec.json.decode(document, type=_Report).findings
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The parser's error may quote the report, which holds the secrets.
        raise EvidenceError(
            "kingfisher's report is not in the form that is known",
            next_step=f"install the version that Quilate asks for: {KINGFISHER.install}",
        ) from None


def _rule_cache() -> dict[str, str]:
    """Return where kingfisher keeps its compiled rules between runs: compiling takes seven seconds."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "quilate" / "kingfisher"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (OSError, RuntimeError):
        return {}
    return {"KF_RULE_CACHE_DIR": str(folder)} if os.access(folder, os.W_OK) else {}


def _order(found: _Found) -> tuple[str, int, int, int, str]:
    match = found.finding
    return (
        match.path,
        match.line,
        match.column_start,
        -_SEVERITIES.get(match.confidence, Severity.HIGH).rank,
        found.rule.id,
    )


def _distinct(found: Iterable[_Found]) -> list[_Found]:
    """Return one finding per place: where several rules match, the surest one."""
    distinct: dict[tuple[str, int, int], _Found] = {}
    for one in sorted(found, key=_order):
        distinct.setdefault((one.finding.path, one.finding.line, one.finding.column_start), one)
    return list(distinct.values())


def _place(found: _Found, laid_out: frozenset[str]) -> Location:
    """Return the place; within an archive (``archive!member``) that is the archive.

    Kingfisher counts columns from zero, its end included.
    """
    match = found.finding
    path = match.path.removeprefix("./")
    if path in laid_out:
        return Location(
            path=path,
            line=match.line,
            column=match.column_start + 1,
            end_line=match.line,
            end_column=match.column_end + 2,
        )
    archive = path
    while archive and archive not in laid_out:
        archive = archive.rpartition("!")[0]
    return Location(path=archive or path)


def _digest(found: _Found) -> str:
    return hashlib.sha256(f"{found.rule.id}\0{found.finding.snippet}".encode("utf-8", "surrogatepass")).hexdigest()


def _finding(found: _Found, location: Location, where: str = "") -> Finding:
    match = found.finding
    name = one_sentence(found.rule.name or found.rule.id)
    member = match.path.removeprefix("./").removeprefix(location.path).lstrip("!")
    inside = f" in the member {member!r}" if member and not where else ""
    return Finding(
        rule=RuleId(f"kingfisher/{found.rule.id}"),
        kind=FindingKind.SECRET,
        severity=_SEVERITIES.get(match.confidence, Severity.HIGH),
        message=f"A secret ({name}) is written in the file{inside}{where}",
        location=location,
        measured=f"a secret of {len(match.snippet)} characters",
        limit="none",
        fix="Change the secret at its issuer, and read the new one from the environment or a secret store",
        context=_digest(found),
        help_url="https://github.com/mongodb/kingfisher",
    )


def _history_findings(context: Context, current: Iterable[_Found]) -> list[Finding]:
    """Return the secrets of earlier commits that the judged files no longer hold."""
    if not (context.workspace.root / ".git").exists():
        raise EvidenceError(
            "`history` is asked for, but the workspace's root holds no git repository",
            next_step="set `history: false`, or run at the root of the repository",
        )
    known = {_digest(one) for one in current}
    findings = []
    for one in sorted(_scan(context, context.workspace.root, ("--git-history", "full")), key=_order):
        commit = one.finding.git_metadata.commit if one.finding.git_metadata else None
        digest = _digest(one)
        if commit is None or digest in known:
            continue
        known.add(digest)
        where = f" in commit {commit.id[:12]} of {commit.date}"
        findings.append(_finding(one, Location(path=one.finding.path.removeprefix("./")), where))
    return findings


def _undecided(skipped: Mapping[str, str]) -> tuple[Undecided, ...]:
    return tuple(
        Undecided(
            subject=path,
            reason=f"was not scanned: it {reason}",
            next_step="make it readable or smaller, or exclude it in quilate.yaml with a reason",
        )
        for path, reason in sorted(skipped.items())
    )
