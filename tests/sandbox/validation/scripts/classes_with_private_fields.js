class ContaInvalida extends Error {
  constructor(mensagem, registro) {
    super(mensagem, { cause: registro });
    this.name = new.target.name;
  }
}

class Conta {
  #saldo = 0;
  static #abertas = 0;
  static { Conta.limite = 1_000; }

  constructor(numero) {
    this.numero = numero;
    Conta.#abertas++;
  }

  get saldo() { return this.#saldo; }
  set saldo(valor) {
    if (!Number.isFinite(valor)) throw new ContaInvalida(`saldo inválido: ${valor}`, this.numero);
    this.#saldo = valor;
  }

  static get abertas() { return Conta.#abertas; }
  *[Symbol.iterator]() { yield this.numero; yield this.#saldo; }
  toJSON() { return { numero: this.numero, saldo: this.#saldo }; }
}

function process(lancamentos) {
  const contas = new Map();
  for (const { conta, valor = 0 } of lancamentos) {
    const atual = contas.get(conta) ?? new Conta(conta);
    atual.saldo += valor;
    contas.set(conta, atual);
  }
  return { abertas: Conta.abertas, contas: [...contas.values()].map(([numero, saldo]) => ({ numero, saldo })) };
}
