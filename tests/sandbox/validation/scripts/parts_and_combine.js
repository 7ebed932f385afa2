function process(pedaco) {
  let soma = 0, quantidade = 0;
  for (const { valor } of pedaco) { if (typeof valor !== 'number') continue; soma += valor; quantidade++; }
  return { soma, quantidade };
}

function combine(parciais) {
  const { soma, quantidade } = parciais.reduce((a, b) => ({ soma: a.soma + b.soma, quantidade: a.quantidade + b.quantidade }), { soma: 0, quantidade: 0 });
  return { media: quantidade ? soma / quantidade : null, quantidade };
}
