function* identificadores(inicio = 1) {
  let atual = inicio;
  while (true) yield atual++;
}

function* janelas(lista, tamanho) {
  for (let i = 0; i + tamanho <= lista.length; i++) yield lista.slice(i, i + tamanho);
}

function process(dados) {
  const ids = identificadores(1000);
  const medias = [...janelas(dados, 3)].map((janela) => janela.reduce((a, { valor }) => a + valor, 0) / janela.length);
  const pares = Iterator.from(dados).filter((_, i) => i % 2 === 0).map((registro) => ({ ...registro, id: ids.next().value })).toArray();
  return { medias, pares };
}
