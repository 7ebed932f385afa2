"""DATA_PROFILING (C14): missing values, duplicates, outliers, constant columns and personal data, with exact counts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from quilate.checks.data.data_profiling import DataProfiling
from quilate.checks.data.profiles.personal_data import is_card, is_cnpj, is_cpf
from quilate.domain.errors import EvidenceError
from quilate.domain.severity import Severity
from quilate.evidence.model import Evidence
from tests.support.check_runner import fact_values, run_check


def profiled(directory: Path, data: str, parameters: Mapping[str, Any] | None = None, **binding: Any) -> Evidence:
    (directory / "d.csv").write_text(data, encoding="utf-8")
    return run_check("DATA_PROFILING", directory, parameters=parameters, binding={"dataset": "d.csv", **binding})


def test_the_canary_goes_red(tmp_path: Path) -> None:
    canary = DataProfiling().canary(tmp_path)
    evidence = run_check("DATA_PROFILING", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert {finding.rule for finding in evidence.findings} >= set(canary.expected_rules)


def test_facts_are_exact(tmp_path: Path) -> None:
    evidence = profiled(tmp_path, "a,b,c\n1,x,k\n1,x,k\n2,,k\n3,y,k\n")
    assert fact_values(evidence) == {
        "rows": "4",
        "columns": "3",
        "missing_ratio_max": "0.25",
        "duplicate_rows": "1",
        "duplicate_row_ratio": "0.25",
        "constant_columns": "1",
        "outlier_ratio_max": "0",
        "personal_data_cells": "0",
    }
    rules = {finding.rule: finding.measured for finding in evidence.findings}
    assert rules == {
        "QL-DAT-201": "missing ratio 0.25",
        "QL-DAT-202": "duplicate ratio 0.25",
        "QL-DAT-204": "1 distinct value",
    }


def test_a_ratio_at_its_limit_is_within_it(tmp_path: Path) -> None:
    limits = {"max_missing_ratio": 0.25, "max_duplicate_ratio": 0.25}
    evidence = profiled(tmp_path, "a,b\n1,x\n1,x\n2,\n3,y\n", limits)
    assert evidence.findings == ()


def test_values_far_out_are_outliers(tmp_path: Path) -> None:
    values = [*range(1, 20), 1000]
    evidence = profiled(tmp_path, "v\n" + "".join(f"{value}\n" for value in values), {"max_outlier_ratio": 0.04})
    assert fact_values(evidence)["outlier_ratio_max"] == "0.05"
    assert [finding.rule for finding in evidence.findings] == ["QL-DAT-203"]


@pytest.mark.parametrize(
    ("values", "kind", "cells"),
    [
        (["529.982.247-25", "cliente 529.982.247-25, ok", "529.982.247-26"], "CPF", 2),
        (["52998224725", "52998224725", "12345678900"], "CPF", 2),
        (["12.ABC.345/01DE-35", "11.222.333/0001-81", "-"], "CNPJ", 2),
        (["ana@example.com.br", "x"], "e-mail address", 1),
        (["(11) 91234-5678", "+55 11 91234-5678", "1234-5678"], "telephone number", 2),
        (["4111 1111 1111 1111", "4111 1111 1111 1112"], "card number", 1),
    ],
)
def test_personal_data_is_counted_and_never_shown(tmp_path: Path, values: list[str], kind: str, cells: int) -> None:
    data = "n,v\n" + "".join(f'{at},"{value}"\n' for at, value in enumerate(values))
    evidence = profiled(tmp_path, data, {"pii": "refused"})
    (finding,) = evidence.findings
    assert (finding.rule, finding.severity, finding.location.field) == ("QL-DAT-210", Severity.HIGH, "v")
    assert finding.measured.startswith(f"{cells} cells")
    assert kind in finding.measured
    assert not any(value in repr(evidence) for value in values if len(value) > 1)
    assert fact_values(evidence)["personal_data_cells"] == str(cells)


def test_numbers_that_pass_a_check_digit_by_chance_are_no_personal_data(tmp_path: Path) -> None:
    data = "v\n" + "".join(f"{10_000_000_000 + 7 * number}\n" for number in range(1000))
    assert any(is_cpf(str(10_000_000_000 + 7 * number)) for number in range(1000))
    assert fact_values(profiled(tmp_path, data))["personal_data_cells"] == "0"


def test_pii_warns_or_is_allowed(tmp_path: Path) -> None:
    data = "n,v\n1,a@b.com\n2,c@d.org\n"
    assert [f.severity for f in profiled(tmp_path, data).findings] == [Severity.LOW]
    allowed = profiled(tmp_path, data, {"pii": "allowed"})
    assert allowed.findings == ()
    assert fact_values(allowed)["personal_data_cells"] == "2"


def test_check_digits() -> None:
    assert is_cpf("529.982.247-25")
    assert not is_cpf("111.111.111-11")
    assert is_cnpj("11222333000181")
    assert not is_cnpj("12ABC34501DE36")
    assert is_card("378282246310005")
    assert not is_card("4111111111111112")


def test_ragged_files_are_errors_and_empty_ones_undecided(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"d\.csv:3: record 2 has 1 fields"):
        profiled(tmp_path, "a,b\n1,2\n3\n")
    assert [entry.subject for entry in profiled(tmp_path, "a,b\n").undecided] == ["rows"]
    with pytest.raises(EvidenceError, match="has no column 'incom', did you mean 'income'"):
        profiled(tmp_path, "income\n1\n", sensitive=("incom",))
