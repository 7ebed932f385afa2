// Names of a browser or of Node as fields, parameters and variables of the script's own.
function process(dados) {
  const window = dados.slice(0, 7), self = dados.at(-1), global = 1, module = { exports: {} };
  function fetch(id) { return dados.find((registro) => registro.id === id); }
  const require = (campo) => (registro) => { if (registro[campo] == null) throw new TypeError(`falta ${campo}`); return registro; };
  const setTimeout = { limite: 30 };
  module.exports.total = window.map(require("id")).length + global;
  return dados.map(({ self: dono, window: janela, eval: avaliacao, Function: funcao, caller, os, prototype, constructorName }) => ({
    dono, janela, avaliacao, funcao, caller, os, prototype, constructorName, constructor: "Ferrari",
    primeiro: fetch(1)?.id ?? null, ultimo: self?.id, limite: setTimeout.limite,
  }));
}
