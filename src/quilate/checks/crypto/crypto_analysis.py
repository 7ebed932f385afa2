"""Analyse how Python code uses cryptography.

Why: Cryptography fails silently: code with a constant nonce, a broken hash or a key in the source passes every test.

Input: Python files and notebooks of the workspace, or of the bound `paths`, as syntax trees. Names are followed through
imports, aliases, assignments and `getattr`; keys, nonces and numbers through constants. Libraries: hashlib, hmac, ssl,
random, cryptography, PyCryptodome, pyOpenSSL, PyJWT, python-jose, passlib, bcrypt, argon2-cffi, requests, httpx,
aiohttp, urllib3.

Facts: `crypto_anti_patterns` (findings at or above `severity_threshold`), `crypto_findings` (of any severity),
`crypto_uses` (recognised uses of cryptography), `files_analysed`, `files_unparsed`.

Limits: `forbidden_algorithms` may not be used; where `approved_algorithms` is not empty, nothing else may. Least key
sizes in bits, least costs of password hashing by algorithm. `ignored_in_tests` are rules that do not count in
test files, where test vectors need constant keys; what they leave out is counted in the notes.

Findings: `QL-CRY-001` to `QL-CRY-070`, each with severity, fix and source in `quilate/checks/crypto/catalogue.py`. A
file that this interpreter cannot parse leaves the check undecided. What is passed through function arguments or read
from outside is not followed.

Raises: EvidenceError where a bound path holds nothing.

Source: NIST SP 800-131A Rev. 3 (initial public draft, October 2024), RFC 9325, RFC 8725, OWASP Password Storage Cheat
Sheet (revision of March 2026). New DSA keys are forbidden at every length since FIPS 186-5; `min_dsa_bits`, of FIPS
186-4, counts where a blueprint allows them.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.checks.crypto import (
    rules_cipher,
    rules_hash,
    rules_keys,
    rules_password,
    rules_random,
    rules_tls,
    rules_token,
)
from quilate.checks.crypto.model import Hit, Limits
from quilate.checks.crypto.scanner import RuleBook, scan_source
from quilate.checks.source_files import (
    FILE_FACTS,
    Source,
    UnparsedError,
    file_facts,
    is_test_file,
    nothing_to_judge,
    python_files,
    read_source,
    unparsed_undecided,
)
from quilate.domain.errors import ConfigurationError
from quilate.domain.ids import RuleId
from quilate.evidence.model import Evidence, FactSpec, FactType, Finding, FindingKind, Location, number_fact
from quilate.kit.words import counted

RULE_BOOK = RuleBook(
    calls={
        **rules_hash.CALLS,
        **rules_keys.CALLS,
        **rules_cipher.CALLS,
        **rules_password.CALLS,
        **rules_random.CALLS,
        **rules_tls.CALLS,
        **rules_token.CALLS,
    },
    methods=rules_cipher.METHODS,
    assignments=rules_tls.ASSIGNMENTS,
    comparison=rules_hash.comparison,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoAnalysisParameters:
    """Algorithms are named as in the findings (``SHA-1``, ``3DES``, ``ECB``); all numbers are whole.

    ``min_argon2_memory`` is in KiB; ``min_pbkdf2_iterations_*`` are per hash function.
    """

    forbidden_algorithms: tuple[str, ...]
    approved_algorithms: tuple[str, ...]
    min_rsa_bits: Decimal
    min_dsa_bits: Decimal
    min_dh_bits: Decimal
    min_curve_bits: Decimal
    min_pbkdf2_iterations_sha1: Decimal
    min_pbkdf2_iterations_sha256: Decimal
    min_pbkdf2_iterations_sha512: Decimal
    min_scrypt_n: Decimal
    min_bcrypt_cost: Decimal
    min_argon2_memory: Decimal
    min_argon2_time: Decimal
    ignored_in_tests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoAnalysisBinding:
    """``paths`` are workspace paths; none means all."""

    paths: tuple[str, ...] = ()


class CryptoAnalysis:
    """See the module's docstring."""

    parameters: ClassVar[type] = CryptoAnalysisParameters
    binding: ClassVar[type] = CryptoAnalysisBinding
    type: ClassVar[str] = "CRYPTO_ANALYSIS"
    version: ClassVar[str] = "2"
    profile: ClassVar[Mapping[str, Any]] = {
        "severity_threshold": "medium",
        "forbidden_algorithms": (
            *("MD2", "MD4", "MD5", "SHA-1"),
            *("DES", "3DES", "RC2", "RC4", "Blowfish", "CAST5", "IDEA", "SEED", "ECB", "DSA"),
        ),
        "approved_algorithms": (),
        "min_rsa_bits": Decimal(2048),
        "min_dsa_bits": Decimal(2048),
        "min_dh_bits": Decimal(2048),
        "min_curve_bits": Decimal(224),
        "min_pbkdf2_iterations_sha1": Decimal(1_400_000),
        "min_pbkdf2_iterations_sha256": Decimal(600_000),
        "min_pbkdf2_iterations_sha512": Decimal(220_000),
        "min_scrypt_n": Decimal(131_072),
        "min_bcrypt_cost": Decimal(10),
        "min_argon2_memory": Decimal(19_456),
        "min_argon2_time": Decimal(2),
        "ignored_in_tests": ("QL-CRY-013", "QL-CRY-014", "QL-CRY-033", "QL-CRY-040"),
    }
    queue: ClassVar[Queue] = Queue.SECURITY
    isolation: ClassVar[Isolation] = Isolation.PROCESS

    def produces(self, parameters: CryptoAnalysisParameters) -> tuple[FactSpec, ...]:
        """Return the facts.

        Raises:
            ConfigurationError: A forbidden algorithm is spelt as no finding ever spells it, and would go unnoticed.
        """
        known = {_letters(name): name for name in (*rules_hash.NAMES, *self.profile["forbidden_algorithms"])}
        for name in parameters.forbidden_algorithms:
            spelt = known.get(_letters(name), name)
            if spelt != name:
                raise ConfigurationError(f"forbidden_algorithms: {name!r} is spelt {spelt!r} here")
        return (
            FactSpec(name="crypto_anti_patterns", type=FactType.NUMBER, unit="count", description="findings that fail"),
            FactSpec(name="crypto_findings", type=FactType.NUMBER, unit="count", description="of any severity"),
            FactSpec(name="crypto_uses", type=FactType.NUMBER, unit="count", description="recognised uses"),
            *FILE_FACTS,
        )

    def inputs(self, parameters: Any, binding: CryptoAnalysisBinding) -> Inputs:  # noqa: ARG002 - the contract
        """Return the bound files."""
        return Inputs(files=binding.paths or None)

    def run(self, context: Context) -> Evidence:
        """Analyse the bound files one after another."""
        files = python_files(context.workspace, context.binding.paths)
        limits = limits_of(context.parameters)
        unparsed = dict(files.unparsed)
        findings: list[Finding] = []
        uses = ignored = 0
        with _without_collector():
            for path in files.paths:
                try:
                    source = read_source(context.workspace, path)
                    scan = scan_source(source, limits, RULE_BOOK)
                except UnparsedError as error:
                    unparsed[path] = str(error)
                    continue
                except RecursionError:
                    unparsed[path] = "is nested too deeply"
                    continue
                uses += len(scan.uses)
                hits = [hit for hit in scan.hits if not _is_ignored(hit, path, context.parameters.ignored_in_tests)]
                ignored += len(scan.hits) - len(hits)
                lines = source.text.split("\n") if hits else []
                findings.extend(finding_of(hit, source, lines) for hit in hits)
        failing = sum(finding.severity >= context.severity_threshold for finding in findings)
        return Evidence(
            summary=(
                f"{counted(len(findings), 'finding')}, {counted(uses, 'use')} of cryptography"
                f" in {counted(files.total - len(unparsed), 'file')}"
            ),
            facts=(
                number_fact("crypto_anti_patterns", failing, unit="count"),
                number_fact("crypto_findings", len(findings), unit="count"),
                number_fact("crypto_uses", uses, unit="count"),
                *file_facts(files.total, unparsed),
            ),
            findings=tuple(findings),
            undecided=unparsed_undecided(unparsed) if files.total else (nothing_to_judge("Python file"),),
            notes=(f"left out in test files by `ignored_in_tests`: {counted(ignored, 'finding')}",) if ignored else (),
        )

    def canary(self, directory: Path) -> Canary:
        """Write code that encrypts block by block with a key of its own."""
        code = "from Crypto.Cipher import AES as A\n\ncipher = A.new(b'0123456789abcdef', A.MODE_ECB)\n"
        (directory / "canary.py").write_text(code, encoding="utf-8")
        return Canary(expected_rules=("QL-CRY-011", "QL-CRY-014"))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the cycle collector: syntax trees have no cycles, and looking for them costs a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def limits_of(parameters: CryptoAnalysisParameters) -> Limits:
    """Return the check's parameters in the form that the rules use."""
    return Limits(
        forbidden=frozenset(parameters.forbidden_algorithms),
        approved=frozenset(parameters.approved_algorithms),
        min_rsa_bits=int(parameters.min_rsa_bits),
        min_dsa_bits=int(parameters.min_dsa_bits),
        min_dh_bits=int(parameters.min_dh_bits),
        min_curve_bits=int(parameters.min_curve_bits),
        min_pbkdf2_iterations={
            "SHA-1": int(parameters.min_pbkdf2_iterations_sha1),
            "SHA-256": int(parameters.min_pbkdf2_iterations_sha256),
            "SHA-512": int(parameters.min_pbkdf2_iterations_sha512),
        },
        min_scrypt_n=int(parameters.min_scrypt_n),
        min_bcrypt_cost=int(parameters.min_bcrypt_cost),
        min_argon2_memory_kib=int(parameters.min_argon2_memory),
        min_argon2_time=int(parameters.min_argon2_time),
    )


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _is_ignored(hit: Hit, path: str, ignored: tuple[str, ...]) -> bool:
    return hit.rule.id in ignored and is_test_file(path)


def finding_of(hit: Hit, source: Source, lines: list[str]) -> Finding:
    """Return a fault as a finding; columns count characters of ``lines`` from one."""
    node = hit.node
    cell, line = source.place(node.lineno)
    end = node.end_lineno or node.lineno
    return Finding(
        rule=RuleId(hit.rule.id),
        kind=FindingKind.CRYPTOGRAPHY,
        severity=hit.severity,
        message=hit.message,
        location=Location(
            path=source.path,
            cell=cell,
            line=line,
            column=_column(lines, node.lineno, node.col_offset),
            end_line=line + end - node.lineno,
            end_column=_column(lines, end, node.end_col_offset or node.col_offset),
        ),
        measured=hit.measured,
        limit=hit.limit,
        fix=hit.rule.fix,
        help_url=hit.rule.help_url,
    )


def _column(lines: list[str], line: int, offset: int) -> int:
    """Return the column in characters, from one, of an offset in UTF-8 bytes."""
    return len(lines[line - 1].encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace")) + 1
