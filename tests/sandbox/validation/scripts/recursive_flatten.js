let profundidadeMaxima = 0;

function achata(valor, prefixo = '', saida = {}, nivel = 0) {
  profundidadeMaxima = Math.max(profundidadeMaxima, nivel);
  if (valor === null || typeof valor !== 'object') saida[prefixo] = valor;
  else for (const [chave, interno] of Object.entries(valor)) achata(interno, prefixo ? `${prefixo}.${chave}` : chave, saida, nivel + 1);
  return saida;
}

function process(registros) {
  return registros.map((registro) => achata(registro)).concat({ profundidadeMaxima });
}
