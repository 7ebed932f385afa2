"""The Bacen case: the scripts of the source documents, records of the same shape, and what has to come out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

FIRST_SCRIPT = """function process(data) {
  // TESTE REAL: Filtra dados empresariais
  const empresariais = data.filter((item) => item.produto === "Empresarial");

  // TESTE REAL: Agrupa por trimestre + bandeira usando reduce
  const agrupado = empresariais.reduce((acc, item) => {
    const chave = `${item.trimestre}-${item.nomeBandeira}`;
    if (!acc[chave]) {
      acc[chave] = {
        trimestre: item.trimestre,
        nomeBandeira: item.nomeBandeira,
        qtdCartoesAtivos: 0,
        qtdCartoesEmitidos: 0,
        qtdTransacoesNacionais: 0,
        valorTransacoesNacionais: 0,
      };
    }

    acc[chave].qtdCartoesAtivos += item.qtdCartoesAtivos;
    acc[chave].qtdCartoesEmitidos += item.qtdCartoesEmitidos;
    return acc;
  }, {});

  // TESTE REAL: Remove transações internacionais e converte para array
  return Object.values(agrupado).filter(
    (item) => item.qtdTransacoesNacionais > 0
  );
}"""
"""As it is printed first: it never sums the transactions, so its filter leaves nothing."""

SCRIPT = (
    'function process(data) { const corporativeData = data.filter(item => item.produto === "Empresarial"); '
    "const byQuarterAndIssuer = corporativeData.reduce((acc, item) => { "
    "const key = `${item.trimestre}-${item.nomeBandeira}`; "
    "if (!acc[key]) { acc[key] = { trimestre: item.trimestre, nomeBandeira: item.nomeBandeira, "
    "qtdCartoesEmitidos: 0, qtdCartoesAtivos: 0, qtdTransacoesNacionais: 0, valorTransacoesNacionais: 0 }; } "
    "acc[key].qtdCartoesEmitidos += item.qtdCartoesEmitidos; "
    "acc[key].qtdCartoesAtivos += item.qtdCartoesAtivos; "
    "acc[key].qtdTransacoesNacionais += item.qtdTransacoesNacionais; "
    "acc[key].valorTransacoesNacionais += item.valorTransacoesNacionais; "
    "return acc; }, {}); return Object.values(byQuarterAndIssuer); }"
)
"""As it is printed second: one record for each quarter and brand of the product Empresarial."""

COMBINED_SCRIPT = (
    SCRIPT
    + """
function combine(partials) {
  return process(partials.flat().map((item) => ({ ...item, produto: "Empresarial" })));
}"""
)
"""The second script for chunks: their sums are summed."""

KEY = ("trimestre", "nomeBandeira")
_SUMS = ("qtdCartoesEmitidos", "qtdCartoesAtivos", "qtdTransacoesNacionais", "valorTransacoesNacionais")


def generated_records(years: Iterable[int] = range(2011, 2025)) -> list[dict[str, Any]]:
    """Records of the shape of the real ones, made here."""
    quarters = [f"{year}{quarter}" for year, quarter in product(years, range(1, 5))]
    brands, functions = ("Elo", "Bandeira própria", "VISA", "American Express"), ("Crédito", "Débito")
    keys = product(quarters, brands, functions, ("Empresarial", "Intermediário", "Básico Nacional"))
    return [
        {
            "trimestre": quarter,
            "nomeBandeira": brand,
            "nomeFuncao": function,
            "produto": name,
            "qtdCartoesEmitidos": 900 + number,
            "qtdCartoesAtivos": 7 * number,
            "qtdTransacoesNacionais": 170_001 * number,
            "valorTransacoesNacionais": round(number * 31_000.57, 2),
            "qtdTransacoesInternacionais": number % 7,
            "valorTransacoesInternacionais": round(number % 7 * 1.25, 2),
        }
        for number, (quarter, brand, function, name) in enumerate(keys)
    ]


def expected_groups(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What ``SCRIPT`` makes of the records, computed here."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in records:
        if record["produto"] == "Empresarial":
            key = tuple(record[name] for name in KEY)
            group = groups.setdefault(key, dict(zip(KEY, key, strict=True)) | dict.fromkeys(_SUMS, 0))
            for name in _SUMS:
                group[name] += record[name]
    return list(groups.values())


def assert_same_groups(found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> None:
    """The same groups, in whatever order; counts exactly, money within 1e-6 of itself."""
    by_key = {tuple(group[name] for name in KEY): group for group in found}
    assert len(found) == len(by_key) == len(expected)
    for group in expected:
        same = by_key[tuple(group[name] for name in KEY)]
        assert set(same) == set(group)
        for name in _SUMS:
            assert math.isclose(same[name], group[name], rel_tol=1e-6 if name.startswith("valor") else 0), name
