// Loops that obviously never end: a condition that is always true, and no way out.

// What stands around a statement within one function: loops, switches, labels, `try` with a handler. Each knows what
// leaves it; what leaves it for good is handed on to what stands around it when it is closed.
class Surroundings {
  constructor() {
    this.frames = [[]];
  }

  openFunction() {
    this.frames.push([]);
  }

  closeFunction() {
    this.frames.pop();
  }

  get entries() {
    return this.frames.at(-1);
  }

  open(kind, node, labels = []) {
    this.entries.push({ kind, node, labels, left: false, returns: false, throws: false, calls: false });
  }

  close() {
    const entry = this.entries.pop();
    const outer = this.entries.at(-1);
    if (outer) {
      outer.returns ||= entry.returns;
      // A handler inside of a loop keeps what is thrown inside of it.
      if (entry.kind !== "try") {
        outer.throws ||= entry.throws;
        outer.calls ||= entry.calls;
      }
    }
    return entry;
  }

  note(what) {
    const inner = this.entries.at(-1);
    if (inner) inner[what] = true;
  }

  noteBreak(label) {
    const { entries } = this;
    for (let index = entries.length - 1; index >= 0; index--) {
      const entry = entries[index];
      if (label === null && entry.kind !== "loop" && entry.kind !== "switch") continue;
      entry.left = true;
      if (label === null || entry.labels.includes(label)) return;
    }
  }

  noteContinue(label) {
    if (label === null) return;
    const { entries } = this;
    for (let index = entries.length - 1; index >= 0 && !entries[index].labels.includes(label); index--) {
      entries[index].left = true;
    }
  }

  // Whether a closed loop may be left; a call may throw, and with a handler around the loop that is a way out.
  canLeave(entry) {
    if (entry.left || entry.returns || entry.throws) return true;
    return entry.calls && this.entries.some((outer) => outer.kind === "try");
  }
}

const ALWAYS_TRUE = new Set([
  "ArrayExpression", "ObjectExpression", "ArrowFunctionExpression", "FunctionExpression", "ClassExpression",
  "NewExpression",
]);

function isAlwaysTrue(test, folding, scope) {
  if (!test) return true;
  if (ALWAYS_TRUE.has(test.type) || test.regex || test.bigint) return test.bigint !== "0";
  return folding.isTrue(test, scope);
}

// The variables of a condition that consists of variables and constants alone; null where there is more to it.
function variablesOf(test) {
  switch (test?.type) {
    case "Identifier":
      return [test.name];
    case "Literal":
      return [];
    case "UnaryExpression":
      return variablesOf(test.argument);
    case "BinaryExpression":
    case "LogicalExpression": {
      const left = variablesOf(test.left);
      const right = variablesOf(test.right);
      return left && right && [...left, ...right];
    }
    default:
      return null;
  }
}

// Whether no variable of a loop's condition is assigned in the loop, nor by a function that the loop may call.
function conditionNeverChanges(loop, entry, scopes, scope, functionNode) {
  const names = variablesOf(loop.test);
  if (!names?.length) return false;
  return names.every((name) => {
    const assignments = scopes.assignments.get(name) ?? [];
    const inside = ({ offset }) => offset >= loop.start && offset < loop.end;
    const elsewhere = ({ functionNode: place }) => entry.calls && place !== functionNode;
    return scope.find(name) !== null && !assignments.some((each) => inside(each) || elsewhere(each));
  });
}
