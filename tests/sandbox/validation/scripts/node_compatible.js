function process(data) {
  return data.map(limpa);
}

function limpa(registro) {
  const saida = {};
  for (const chave in registro) {
    if (Object.prototype.hasOwnProperty.call(registro, chave)) saida[chave.toLowerCase()] = registro[chave];
  }
  return saida;
}

if (typeof module !== "undefined" && module.exports) {
  module.exports = { process, limpa };
}
typeof window === "undefined" || (window.process = process);
