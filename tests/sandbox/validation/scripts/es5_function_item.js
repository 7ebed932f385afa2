var process = function(dados) {
  var total = 0;
  dados.forEach(function(item) { total += item.valor || 0; });
  return dados.map(function(item, indice) {
    return { indice: indice, os: item.os, constructorName: item.constructorName, participacao: total ? item.valor / total : 0 };
  });
};
