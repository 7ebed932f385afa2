"""The source document's scripts as it prints them, and six records in the shape of its own (generated here)."""

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
}
"""
"""It adds the two counts of cards only, so that its last filter leaves nothing: its true result is ``[]``."""

SECOND_SCRIPT = (
    'function process(data) { const corporativeData = data.filter(item => item.produto === "Empresarial"); '
    "const byQuarterAndIssuer = corporativeData.reduce((acc, item) => { "
    "const key = `${item.trimestre}-${item.nomeBandeira}`; if (!acc[key]) { acc[key] = { trimestre: item.trimestre, "
    "nomeBandeira: item.nomeBandeira, qtdCartoesEmitidos: 0, qtdCartoesAtivos: 0, qtdTransacoesNacionais: 0, "
    "valorTransacoesNacionais: 0 }; } acc[key].qtdCartoesEmitidos += item.qtdCartoesEmitidos; "
    "acc[key].qtdCartoesAtivos += item.qtdCartoesAtivos; acc[key].qtdTransacoesNacionais += "
    "item.qtdTransacoesNacionais; acc[key].valorTransacoesNacionais += item.valorTransacoesNacionais; return acc; }, "
    "{}); return Object.values(byQuarterAndIssuer); }"
)

_FIELDS = (
    "produto",
    "trimestre",
    "nomeBandeira",
    "qtdCartoesAtivos",
    "qtdCartoesEmitidos",
    "qtdTransacoesNacionais",
    "valorTransacoesNacionais",
)
_ROWS = (
    ("Intermediário", "20231", "American Express", 335542, 433549, 9107357, 1617984610.42),
    ("Empresarial", "20232", "VISA", 1716709, 3050384, 43984902, 12846611557.78),
    ("Empresarial", "20232", "VISA", 500000, 750000, 15000000, 4000000000),
    ("Empresarial", "20233", "VISA", 1800000, 3100000, 45000000, 13000000000),
    ("Empresarial", "20234", "Mastercard", 2200000, 3700000, 55000000, 15000000000),
    ("Premium", "20234", "Elo", 900000, 1200000, 20000000, 5000000000),
)
SIX_RECORDS = [
    dict(zip(_FIELDS, row, strict=True))
    | {"nomeFuncao": "Crédito", "qtdTransacoesInternacionais": 200000, "valorTransacoesInternacionais": 150000000}
    for row in _ROWS
]

THREE_GROUPS = [
    {
        "trimestre": "20232",
        "nomeBandeira": "VISA",
        "qtdCartoesAtivos": 2216709,
        "qtdCartoesEmitidos": 3800384,
        "qtdTransacoesNacionais": 58984902,
        "valorTransacoesNacionais": 16846611557.78,
    },
    {
        "trimestre": "20233",
        "nomeBandeira": "VISA",
        "qtdCartoesAtivos": 1800000,
        "qtdCartoesEmitidos": 3100000,
        "qtdTransacoesNacionais": 45000000,
        "valorTransacoesNacionais": 13000000000,
    },
    {
        "trimestre": "20234",
        "nomeBandeira": "Mastercard",
        "qtdCartoesAtivos": 2200000,
        "qtdCartoesEmitidos": 3700000,
        "qtdTransacoesNacionais": 55000000,
        "valorTransacoesNacionais": 15000000000,
    },
]
"""As the document prints them."""
