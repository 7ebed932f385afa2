function process(data) { return data.filter(item => item.ativo === true); }
