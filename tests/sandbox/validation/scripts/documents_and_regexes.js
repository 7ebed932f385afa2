const SO_DIGITOS = /\D+/g;
const CPF = /^\d{3}\.?\d{3}\.?\d{3}-?\d{2}$/;
const CNPJ = /^(\d{2})\.?(\d{3})\.?(\d{3})\/?(\d{4})-?(\d{2})$/;
const EMAIL = /^[\w.+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+$/i;
const CEP = /^(?<prefixo>\d{5})-?(?<sufixo>\d{3})$/;
const TELEFONE = /^\(?(\d{2})\)?\s*9?\d{4}-?\d{4}$/;
const PALAVRAS = /\p{L}+(?:['’-]\p{L}+)*/gu;
const DATA = /^(?:(?:0?[1-9]|[12]\d|3[01])\/(?:0?[1-9]|1[0-2])\/)?\d{4}$/;

function digito(numeros, pesos) {
  const resto = [...numeros].reduce((total, numero, i) => total + Number(numero) * pesos[i], 0) % 11;
  return resto < 2 ? 0 : 11 - resto;
}

function cpfValido(texto) {
  const numeros = texto.replace(SO_DIGITOS, "");
  if (!CPF.test(texto) || /^(\d)\1{10}$/.test(numeros)) return false;
  const primeiro = digito(numeros.slice(0, 9), [10, 9, 8, 7, 6, 5, 4, 3, 2]);
  const segundo = digito(numeros.slice(0, 10), [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
  return numeros.endsWith(`${primeiro}${segundo}`);
}

function process(pessoas) {
  return pessoas.map(({ cpf = "", cnpj = "", email = "", cep = "", telefone = "", nome = "", nascimento = "", ...resto }) => ({
    ...resto,
    cpfValido: cpfValido(cpf),
    cnpjValido: CNPJ.test(cnpj),
    email: EMAIL.test(email) ? email.toLowerCase() : null,
    cep: CEP.exec(cep)?.groups.prefixo ?? null,
    ddd: TELEFONE.exec(telefone)?.[1] ?? null,
    iniciais: (nome.match(PALAVRAS) ?? []).map((palavra) => palavra[0].toUpperCase()).join(""),
    dataValida: DATA.test(nascimento),
  }));
}
