// Names that a script asks for before it uses them: if (typeof module !== 'undefined') { module.exports = ... }.

// Returns the names that exist where a test is true (`whenTrue`) or false.
function guardedNames(test, whenTrue) {
  if (test.type === "UnaryExpression" && test.operator === "!") return guardedNames(test.argument, !whenTrue);
  if (test.type === "LogicalExpression") {
    const both = whenTrue ? "&&" : "||";
    return test.operator === both ? [...guardedNames(test.left, whenTrue), ...guardedNames(test.right, whenTrue)] : [];
  }
  if (test.type !== "BinaryExpression") return [];
  const { operator, left, right } = test;
  const asked = left.type === "UnaryExpression" ? left : right;
  const kind = asked === left ? right : left;
  if (asked.type !== "UnaryExpression" || asked.operator !== "typeof" || asked.argument.type !== "Identifier") return [];
  if (kind.type !== "Literal" || !/^[!=]==?$/.test(operator)) return [];
  const exists = operator.startsWith("!") === (kind.value === "undefined");
  return exists === whenTrue && !NEVER_GUARDED.has(asked.argument.name) ? [asked.argument.name] : [];
}

class Guards {
  constructor() {
    this.counts = new Map();
  }

  has(name) {
    return (this.counts.get(name) ?? 0) > 0;
  }

  within(names, visit) {
    for (const name of names) this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    visit();
    for (const name of names) this.counts.set(name, this.counts.get(name) - 1);
  }
}
