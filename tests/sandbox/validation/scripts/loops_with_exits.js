function process(dados) {
  let posicao = 0;
  while (true) {
    const registro = dados[posicao++];
    if (!registro) break;
    if (registro.tipo === "fim") return { posicao, achou: true };
  }

  const saida = [];
  linhas: for (;;) {
    for (const item of dados) {
      if (saida.length > 100) break linhas;
      if (item == null) continue linhas;
      saida.push(item);
    }
    if (dados.length === 0) break;
    do {
      posicao--;
    } while (posicao > 0);
    switch (saida.length % 3) {
      case 0:
        break;
      default:
        break linhas;
    }
    try {
      if (saida.length > 50) throw new RangeError("demais");
    } catch (erro) {
      return { erro: erro.message };
    }
  }
  return { saida, posicao };
}
