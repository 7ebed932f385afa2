function Acumulador(campo) {
  this.campo = campo;
  this.soma = 0;
  this.quantidade = 0;
}
Acumulador.prototype.inclui = function (registro) {
  this.soma += Number(registro[this.campo]) || 0;
  this.quantidade += 1;
  return this;
};
Acumulador.prototype.media = function () {
  return this.quantidade === 0 ? null : this.soma / this.quantidade;
};
function AcumuladorComMaximo(campo) {
  Acumulador.call(this, campo);
  this.maximo = -Infinity;
}
AcumuladorComMaximo.prototype = Object.create(Acumulador.prototype);
AcumuladorComMaximo.prototype.constructor = AcumuladorComMaximo;
AcumuladorComMaximo.prototype.inclui = function (registro) {
  Acumulador.prototype.inclui.call(this, registro);
  this.maximo = Math.max(this.maximo, registro[this.campo]);
  return this;
};

function process(dados) {
  var renda = new AcumuladorComMaximo("renda");
  for (var i = 0; i < dados.length; i++) renda.inclui(dados[i]);
  return { media: renda.media(), maximo: renda.maximo };
}
