const normaliza = (texto) => texto.normalize('NFD').replace(/[\u0300-\u036f]/g, '').toUpperCase().replace(/\s+/g, ' ').trim();

function process({ clientes, pedidos }) {
  const porId = new Map(clientes.map((cliente) => [cliente.id, cliente]));
  const vistos = new Set();
  const juntos = [];
  for (const pedido of pedidos) {
    const cliente = porId.get(pedido.clienteId);
    const chave = [normaliza(cliente?.nome ?? ''), pedido.numero].join('#');
    if (vistos.has(chave)) continue;
    vistos.add(chave);
    juntos.push({ ...pedido, cliente: cliente ? { nome: cliente.nome, uf: cliente.endereço?.uf } : null });
  }
  juntos.sort((a, b) => (a.data < b.data ? -1 : a.data > b.data ? 1 : a.numero - b.numero));
  console.log(`${juntos.length} pedidos de ${porId.size} clientes`);
  return juntos;
}
