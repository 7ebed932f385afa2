/* eval('x'); new Function('y'); import fs from 'fs'; while (true) {} */
// require('child_process'); setTimeout(() => {}, 0); <!-- not a comment of HTML here -->
const aviso = "eval(1), Function('x'), import('fs'), require('os'), constructor, __proto__, while (true) {}";
const modelo = `constructor e ${"prototype"} são só texto`;

function process(dados) {
  const async = dados.length, of = 1, get = 2, let_ = 3, await_ = 4, static_ = 5, from = [async, of, get];
  return { aviso, modelo, soma: from.reduce((a, b) => a + b) + let_ + await_ + static_, divisao: async / of / get };
}
