"""What the analysis of cryptography speaks of: rules, limits, recognised uses and faults."""

import ast
from dataclasses import dataclass

from quilate.domain.severity import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One fault that the analysis knows.

    ``source`` is where the rule comes from; ``fix`` what to do, an imperative sentence without a full stop.
    """

    id: str
    title: str
    severity: Severity
    fix: str
    source: str
    help_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is allowed: the check's parameters as whole numbers; see ``CryptoAnalysisParameters``."""

    forbidden: frozenset[str]
    approved: frozenset[str]
    min_rsa_bits: int
    min_dsa_bits: int
    min_dh_bits: int
    min_curve_bits: int
    min_pbkdf2_iterations: dict[str, int]
    min_scrypt_n: int
    min_bcrypt_cost: int
    min_argon2_memory_kib: int
    min_argon2_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A recognised use of cryptography, for example ``cipher`` ``AES``."""

    primitive: str
    algorithm: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A rule that a place in the code breaks; ``message`` has no full stop and never holds a key."""

    rule: Rule
    severity: Severity
    node: ast.expr | ast.stmt
    message: str
    measured: str
    limit: str
