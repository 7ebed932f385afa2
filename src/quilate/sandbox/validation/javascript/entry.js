// What the sandbox will call: process(data), and combine(partials) where a script declares that it combines.

const NO_FUNCTION = new Set(["ArrayExpression", "ObjectExpression", "TemplateLiteral", "NewExpression", "ClassExpression"]);

function checkEntryPoints(scopes, folding, needsCombine, report) {
  checkEntryPoint("process", "JS010", scopes, folding, report);
  if (needsCombine) checkEntryPoint("combine", "JS011", scopes, folding, report);
  for (const name of FIXED_GLOBALS) {
    const kind = scopes.top.bindings.get(name)?.kind;
    if (["let", "const", "class"].includes(kind)) report("JS001", scopes.top.node, { detail: `'${name}' is already declared` });
  }
}

function checkEntryPoint(name, missing, scopes, folding, report) {
  const binding = scopes.top.bindings.get(name);
  if (!binding) {
    report(missing, null, { name });
    return;
  }
  // const { process } = library: what it holds is known when it runs.
  if (binding.declaredTwice || binding.unpacked || binding.kind === "parameter") return;
  const assigned = scopes.assignments.has(name);
  const value = binding.init;
  if (!value) {
    if (!assigned) report("JS012", null, { name, what: "never given a value" });
    return;
  }
  if (assigned && binding.kind !== "const") return;
  if (isFunction(value)) checkFunction(name, value, report);
  else if (binding.kind === "class" || value.type === "ClassExpression") report("JS012", value, { name, what: "a class" });
  else if (NO_FUNCTION.has(value.type) || value.regex || folding.value(value, scopes.top) !== undefined) {
    report("JS012", value, { name, what: "no function" });
  }
}

function checkFunction(name, node, report) {
  if (node.generator) report("JS012", headOf(node), { name, what: "a generator" });
  else if (node.body.type === "BlockStatement" && !node.async && !returnsOrThrows(node.body)) {
    report("JS013", headOf(node), { name });
  }
}

// The first line of a function is enough to point at.
function headOf(node) {
  return { start: node.start, end: node.body.start };
}

function returnsOrThrows(node) {
  if (node.type === "ThrowStatement" || (node.type === "ReturnStatement" && node.argument)) return true;
  let found = false;
  forEachChild(node, (child) => {
    found ||= !isFunction(child) && child.type !== "ClassBody" && returnsOrThrows(child);
  });
  return found;
}
