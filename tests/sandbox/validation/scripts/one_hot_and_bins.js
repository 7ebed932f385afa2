const FAIXAS = [[0, 18, 'menor'], [18, 30, 'jovem'], [30, 60, 'adulto'], [60, Infinity, 'idoso']];
const faixa = (idade) => (FAIXAS.find(([de, ate]) => idade >= de && idade < ate) || [])[2] ?? 'desconhecida';

function process(dados) {
  const categorias = [...new Set(dados.map((d) => d.estadoCivil ?? 'NA'))].sort((a, b) => a.localeCompare(b, 'pt-BR'));
  return dados.map(({ estadoCivil = 'NA', idade, renda, ...outros }) => {
    const colunas = Object.fromEntries(categorias.map((categoria) => [`estadoCivil_${categoria}`, Number(categoria === estadoCivil)]));
    return { ...outros, ...colunas, faixa: faixa(idade), rendaLog: Math.log1p(Math.max(0, renda)), potência: (renda / 1e3) ** 2 | 0 };
  });
}
