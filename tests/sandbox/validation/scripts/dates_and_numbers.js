const MOEDA = new Intl.NumberFormat("pt-BR", { style: "currency", currency: "BRL" });
const DIA = 24 * 60 * 60 * 1000;

function paraNumero(texto) {
  if (typeof texto === "number") return texto;
  const limpo = String(texto ?? "").trim().replace(/\./g, "").replace(",", ".");
  const valor = Number.parseFloat(limpo);
  return Number.isNaN(valor) ? null : valor;
}

function trimestre(data) {
  return `${data.getUTCFullYear()}${Math.floor(data.getUTCMonth() / 3) + 1}`;
}

function process(dados) {
  return dados.map((linha) => {
    const inicio = new Date(linha.inicio), fim = new Date(linha.fim);
    const dias = Math.round((fim - inicio) / DIA);
    const valor = paraNumero(linha.valor);
    return { ...linha, dias, trimestre: trimestre(inicio), valor, exibicao: valor === null ? "" : MOEDA.format(valor), centavos: BigInt(Math.round((valor ?? 0) * 100)).toString() };
  });
}
