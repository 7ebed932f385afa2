"""The Bacen contract (C14, acceptance 3): passes on the real file, names each of five planted errors.

The same is proven on generated rows of the same shape, so that it runs without the real data.
"""

import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from quilate.evidence.model import Evidence
from tests.support.check_runner import run_check

CONTRACT = Path(__file__).resolve().parents[2] / "examples" / "contracts" / "bacen-cartoes.contract.yaml"
HEADER = (
    "trimestre,nomeBandeira,nomeFuncao,produto,qtdCartoesEmitidos,qtdCartoesAtivos,qtdTransacoesNacionais,"
    "valorTransacoesNacionais,qtdTransacoesInternacionais,valorTransacoesInternacionais"
)
KEY = "trimestre, nomeBandeira, nomeFuncao, produto"


def generated_rows() -> Iterator[str]:
    quarters = [f"{year}{quarter}" for year, quarter in product(range(2011, 2025), range(1, 5))]
    brands, functions = ("Elo", "Bandeira própria", "VISA"), ("Crédito", "Débito", "Pré-Pago")
    for number, key in enumerate(product(quarters, brands, functions, ("Outros", "Básico Nacional"))):
        yield f"{','.join(key)},{900 + number},{number},{17 * number},{number * 31.5:.2f},{number % 7},{number % 7}.0"


def judged(directory: Path, lines: list[str]) -> Evidence:
    (directory / "cards.csv").write_bytes("\r\n".join([*lines, ""]).encode())
    shutil.copy(CONTRACT, directory / "contract.yaml")
    return run_check("DATA_SCHEMA", directory, binding={"dataset": "cards.csv", "contract": "contract.yaml"})


def planted(lines: list[str]) -> tuple[list[str], set[tuple[str, int, int, str, str]]]:
    """Plant one error of each kind; return the lines and what must be named (rule, record, line, column, value)."""
    copy = list(lines)

    def put(line: int, column: int, value: str) -> None:
        fields = copy[line - 1].split(",")
        fields[column] = value
        copy[line - 1] = ",".join(fields)

    put(12, 5, "")
    put(101, 4, "12x")
    put(202, 7, "-0.01")
    put(303, 2, "Pix")
    copy[403] = copy[402]
    key = ", ".join(f'"{field}"' for field in copy[402].split(",")[:4])
    return copy, {
        ("QL-DAT-101", 11, 12, "qtdCartoesAtivos", "(missing)"),
        ("QL-DAT-102", 100, 101, "qtdCartoesEmitidos", '"12x"'),
        ("QL-DAT-104", 201, 202, "valorTransacoesNacionais", '"-0.01"'),
        ("QL-DAT-105", 302, 303, "nomeFuncao", '"Pix"'),
        ("QL-DAT-103", 403, 404, KEY, key),
    }


def assert_passes_and_names_planted_errors(directory: Path, lines: list[str]) -> None:
    clean = judged(directory, lines)
    assert (clean.findings, clean.undecided) == ((), ())
    broken, expected = planted(lines)
    evidence = judged(directory, broken)
    places = [(finding, finding.location) for finding in evidence.findings]
    assert {(f.rule, at.record, at.line, at.field, f.measured) for f, at in places} == expected
    assert all(str(at.record) in f.message and str(at.field) in f.message for f, at in places)
    violations = next(fact.value for fact in evidence.facts if fact.name == "violations")
    assert violations == "5"


def test_generated_rows_of_the_same_shape(tmp_path: Path) -> None:
    assert_passes_and_names_planted_errors(tmp_path, [HEADER, *generated_rows()])


@pytest.mark.real_data
def test_the_real_file(tmp_path: Path, shared_data: Path) -> None:
    content = (shared_data / "bacen_cartoes_trimestral.csv").read_bytes().decode()
    lines = content.removesuffix("\r\n").split("\r\n")
    assert len(lines) == 3355
    assert_passes_and_names_planted_errors(tmp_path, lines)
