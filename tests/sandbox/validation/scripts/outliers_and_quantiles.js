'use strict';
function quantil(ordenados, q) {
  if (!ordenados.length) return NaN;
  var base = (ordenados.length - 1) * q, piso = Math.floor(base), resto = base - piso;
  return ordenados[piso + 1] !== undefined ? ordenados[piso] + resto * (ordenados[piso + 1] - ordenados[piso]) : ordenados[piso];
}
function process(dados, opcoes) {
  var campo = (opcoes && opcoes.campo) || 'renda';
  var valores = Float64Array.from(dados.map(function (d) { return +d[campo]; }).filter(Number.isFinite)).sort();
  var q1 = quantil(valores, 0.25), q3 = quantil(valores, 0.75), iqr = q3 - q1;
  return dados.map(function (d) {
    var fora = d[campo] < q1 - 1.5 * iqr || d[campo] > q3 + 1.5 * iqr;
    return Object.assign({}, d, { fora: fora, [campo + '_normalizada']: iqr ? (d[campo] - q1) / iqr : 0 });
  });
}
