"""What is wrong with the demonstration project, on purpose."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One planted flaw.

    Attributes:
        family: The family of checks that must find it.
        check: Id of the check in the blueprint ``ds-ia-crypto``.
        rule: The rule that must be among this check's findings.
        place: The file that holds the flaw.
        what: What is wrong, in a few words.
    """

    family: str
    check: str
    rule: str
    place: str
    what: str


def flaws() -> tuple[Flaw, ...]:
    """Return every planted flaw, in the order of the blueprint's checks."""
    rows = (
        ("code", "code_lint", "ruff/F401", "credit_risk/scoring.py", "an import that nothing uses"),
        ("code", "unit_tests", "QL-TST-001", "credit_risk/scoring.py", "a comparison the wrong way round"),
        ("security", "sast", "ruff/S602", "credit_risk/export.py", "a shell that runs joined text"),
        ("crypto", "crypto_static_analysis", "QL-CRY-001", "credit_risk/tokens.py", "MD5 for pseudonyms"),
        ("crypto", "crypto_static_analysis", "QL-CRY-011", "credit_risk/tokens.py", "AES in ECB mode"),
        ("data", "schema_validation", "QL-DAT-101", "data/applications.csv", "a missing income"),
        ("data", "schema_validation", "QL-DAT-102", "data/applications.csv", "an income that is no number"),
        ("data", "schema_validation", "QL-DAT-103", "data/applications.csv", "an id that occurs twice"),
        ("data", "schema_validation", "QL-DAT-104", "data/applications.csv", "an age of 212"),
        ("data", "schema_validation", "QL-DAT-105", "data/applications.csv", "a region that does not exist"),
        ("model", "offline_metrics", "QL-MOD-101", "model/predictions.csv", "an F1 score far below 0.80"),
        ("model", "fairness_check", "QL-MOD-201", "model/predictions.csv", "one group refused far more often"),
        ("delivery", "perf_test", "QL-LOD-001", "credit_risk/service.py", "one lookup for every pair of applications"),
        (
            *("delivery", "penetration_test", "schemathesis/not_a_server_error"),
            *("credit_risk/service.py", "a division by an income of zero"),
        ),
        ("delivery", "tls_policy", "QL-TLS-006", "deploy/tls.json", "a certificate that lives three days"),
    )
    return tuple(
        Flaw(family=family, check=check, rule=rule, place=place, what=what) for family, check, rule, place, what in rows
    )
