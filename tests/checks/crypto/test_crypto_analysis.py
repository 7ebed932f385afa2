"""CRYPTO_ANALYSIS over whole folders: facts, notebooks, hostile files, profile (C16, C21)."""

import json
from pathlib import Path

import pytest

from quilate.checks.crypto.crypto_analysis import CryptoAnalysis
from quilate.checks.validation import merged_parameters
from quilate.domain.errors import ConfigurationError, EvidenceError
from quilate.domain.severity import Severity
from tests.support.check_runner import fact_values, run_check

MD5 = "import hashlib\nhashlib.md5(b'x')\n"


def notebook_of(*cells: tuple[str, str]) -> str:
    return json.dumps(
        {
            "cells": [
                {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}
                for kind, source in cells
            ],
            "metadata": {"language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def test_the_canary_is_found(tmp_path: Path) -> None:
    canary = CryptoAnalysis().canary(tmp_path)
    evidence = run_check("CRYPTO_ANALYSIS", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert set(canary.expected_rules) <= {finding.rule for finding in evidence.findings}


def test_a_finding_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("import hashlib\n\nname = 'é'; digest = hashlib.md5(b'x')\n", encoding="utf-8")
    (finding,) = run_check("CRYPTO_ANALYSIS", tmp_path).findings
    assert (finding.rule, finding.severity, finding.measured) == ("QL-CRY-001", Severity.HIGH, "MD5")
    assert (finding.location.path, finding.location.line, finding.location.column) == ("code.py", 3, 22)
    assert "SHA-256" in finding.fix
    assert finding.fingerprint


def test_the_key_itself_appears_nowhere(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(
        "from cryptography.fernet import Fernet\nKEY = b'TopSecretTopSecret'\nFernet(KEY)\n", encoding="utf-8"
    )
    evidence = run_check("CRYPTO_ANALYSIS", tmp_path)
    assert len(evidence.findings) == 1
    assert "TopSecret" not in repr(evidence)


def test_files_analysed_and_unparsed_are_all_files(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(MD5, encoding="utf-8")
    (tmp_path / "cookie.py").write_bytes("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"))
    (tmp_path / "bad.py").write_text("x = (\n", encoding="utf-8")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    (tmp_path / "null.py").write_bytes(b"x = 1\0\n")
    (tmp_path / "deep.py").write_text("x = " + "(" * 5000 + ")" * 5000 + "\n", encoding="utf-8")
    (tmp_path / "chain.py").write_text("import hashlib\nx = a" + ".b" * 20000 + "\n", encoding="utf-8")
    (tmp_path / "minus.py").write_text("import hashlib\nx = " + "-" * 20000 + "1\n", encoding="utf-8")
    (tmp_path / "huge.py").write_text("x = 1\n" * 1_500_000, encoding="utf-8")
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no Python", encoding="utf-8")
    evidence = run_check("CRYPTO_ANALYSIS", tmp_path)
    facts = fact_values(evidence)
    assert int(str(facts["files_analysed"])) + int(str(facts["files_unparsed"])) == 10
    unparsed = {one.subject for one in evidence.undecided}
    assert {"bad.py", "latin.py", "null.py", "deep.py", "huge.py", "broken.ipynb"} <= unparsed
    assert facts["files_unparsed"] == str(len(unparsed))
    assert [finding.location.path for finding in evidence.findings] == ["good.py"]


def test_notebooks_are_code_with_cell_and_line(tmp_path: Path) -> None:
    text = notebook_of(
        ("markdown", "# Title"),
        ("code", "%matplotlib inline\nimport hashlib as h\n!pip install x\n"),
        ("code", "%%bash\nrm -rf (\n"),
        ("code", "data = await load()\nh.md5(data)\n"),
    )
    (tmp_path / "book.ipynb").write_text(text, encoding="utf-8")
    (tmp_path / "other.ipynb").write_text(text.replace('"name": "python"', '"name": "R"'), encoding="utf-8")
    evidence = run_check("CRYPTO_ANALYSIS", tmp_path)
    (finding,) = evidence.findings
    assert (finding.location.cell, finding.location.line, finding.location.column) == (3, 2, 1)
    assert fact_values(evidence)["files_analysed"] == "1"


def test_limits_come_from_the_parameters(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(
        "import hashlib\nfrom Crypto.PublicKey import RSA\nhashlib.md5(b'')\nhashlib.sha256(b'')\nRSA.generate(2048)\n",
        encoding="utf-8",
    )
    assert [one.rule for one in run_check("CRYPTO_ANALYSIS", tmp_path).findings] == ["QL-CRY-001"]
    parameters = {"forbidden_algorithms": [], "approved_algorithms": ["MD5", "RSA"], "min_rsa_bits": 3000}
    findings = run_check("CRYPTO_ANALYSIS", tmp_path, parameters=parameters).findings
    assert [(one.rule, one.measured) for one in findings] == [("QL-CRY-003", "SHA-256"), ("QL-CRY-020", "2048 bits")]
    assert findings[1].limit == "at least 3000 bits"


def test_an_unknown_parameter_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'min_rsa_bits'"):
        run_check("CRYPTO_ANALYSIS", tmp_path, parameters={"min_rsa_bit": 1})


def test_low_findings_are_no_anti_patterns(tmp_path: Path) -> None:
    code = "import os\nfrom cryptography.hazmat.primitives.ciphers import modes\nmodes.CBC(os.urandom(16))\n"
    (tmp_path / "code.py").write_text(code, encoding="utf-8")
    facts = fact_values(run_check("CRYPTO_ANALYSIS", tmp_path))
    assert (facts["crypto_anti_patterns"], facts["crypto_findings"], facts["crypto_uses"]) == ("0", "1", "1")


def test_constant_keys_in_tests_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    code = "import hmac\nhmac.new(b'0' * 16, b'm', 'md5')\n"
    (tmp_path / "tests" / "test_vectors.py").write_text(code, encoding="utf-8")
    evidence = run_check("CRYPTO_ANALYSIS", tmp_path)
    assert [one.rule for one in evidence.findings] == ["QL-CRY-001"]
    assert evidence.notes == ("left out in test files by `ignored_in_tests`: 1 finding",)


def test_only_the_bound_paths_are_judged(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "code.py").write_text(MD5, encoding="utf-8")
    evidence = run_check("CRYPTO_ANALYSIS", tmp_path, binding={"paths": ["two"]})
    assert [one.location.path for one in evidence.findings] == ["two/code.py"]
    with pytest.raises(EvidenceError, match="does not exist"):
        run_check("CRYPTO_ANALYSIS", tmp_path, binding={"paths": ["three"]})


def test_nothing_to_judge_is_not_a_pass(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no Python", encoding="utf-8")
    assert len(run_check("CRYPTO_ANALYSIS", tmp_path).undecided) == 1


def test_findings_stand_in_order_of_place(tmp_path: Path) -> None:
    for name in ("b.py", "a.py"):
        (tmp_path / name).write_text(MD5 + "hashlib.sha1(b''); hashlib.md5(b'')\n", encoding="utf-8")
    first = run_check("CRYPTO_ANALYSIS", tmp_path)
    places = [(one.location.path, one.location.line, one.location.column) for one in first.findings]
    assert places == sorted(places, key=str)
    assert len(places) == 6
    assert run_check("CRYPTO_ANALYSIS", tmp_path) == first


def test_hostile_constants_neither_hang_nor_grow(tmp_path: Path) -> None:
    code = "from Crypto.PublicKey import RSA\nfrom Crypto.Cipher import AES\nx = 9 ** 9 ** 9 ** 9\nRSA.generate(x)\n"
    code += "AES.new(b'0' * 10 ** 12, AES.MODE_GCM)\nAES.new(bytes(1 << 62), AES.MODE_GCM)\nn = n\nAES.new(n, n)\n"
    (tmp_path / "code.py").write_text(code, encoding="utf-8")
    assert run_check("CRYPTO_ANALYSIS", tmp_path).findings == ()


@pytest.mark.parametrize(
    ("written", "spelt"), [("MD-5", "MD5"), ("sha1", "SHA-1"), ("des", "DES"), ("SHA256", "SHA-256")]
)
def test_a_forbidden_algorithm_that_would_go_unnoticed_is_refused(written: str, spelt: str) -> None:
    parameters, _, _ = merged_parameters(CryptoAnalysis(), {"forbidden_algorithms": [written]})
    with pytest.raises(ConfigurationError, match=f"'{written}' is spelt '{spelt}'"):
        CryptoAnalysis().produces(parameters)
