function process(data) {
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
