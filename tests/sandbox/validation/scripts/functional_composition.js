const compoe = (...passos) => (entrada) => passos.reduce((valor, passo) => passo(valor), entrada);
const filtra = (condicao) => (lista) => lista.filter(condicao);
const agrupaPor = (chave) => (lista) => Object.entries(Object.groupBy(lista, chave));
const soma = (campo) => (lista) => lista.reduce((total, { [campo]: valor = 0 }) => total + valor, 0);

const process = compoe(
  filtra(({ ativo }) => ativo !== false),
  agrupaPor(({ bandeira, trimestre }) => `${trimestre}|${bandeira}`),
  (grupos) => grupos.map(([chave, itens]) => ({ chave, valor: soma("valor")(itens) })),
);
