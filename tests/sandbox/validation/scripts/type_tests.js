const tipo = (valor) => {
  if (valor === null) return "nulo";
  if (Array.isArray(valor)) return "lista";
  if (valor instanceof Date) return "data";
  if (valor instanceof Function) return "função";
  if (valor.constructor === Object || Object.getPrototypeOf(valor) === null) return "objeto";
  return typeof valor === "object" ? valor.constructor.name : typeof valor;
};
const copia = Function.prototype.call.bind(Array.prototype.slice);

function process(dados) {
  const contagem = { __proto__: null };
  for (const registro of copia(dados)) for (const chave of Reflect.ownKeys(registro)) (contagem[chave] ??= new Set()).add(tipo(registro[chave]));
  return Object.fromEntries(Object.entries(contagem).map(([chave, tipos]) => [chave, [...tipos].sort()]));
}
