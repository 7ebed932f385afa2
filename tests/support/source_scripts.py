"""Six records in the shape of the source document's own (generated here), and the groups that it prints."""

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
