// One walk over the tree that asks each rule.

class Checker {
  constructor(program, globals, report) {
    this.globals = globals;
    this.report = report;
    this.scopes = new Scopes(program);
    this.folding = new Folding(this.scopes);
    this.conditions = new Folding(this.scopes, { keepsLists: false });
    this.properties = new Properties(this.scopes, this.folding, globals, report);
    this.surroundings = new Surroundings();
    this.guards = new Guards();
    this.functions = [];
    this.hints = 0;
    this.visitChildren(program, this.scopes.top);
  }

  visitChildren(node, scope) {
    forEachChild(node, (child, key) => {
      if (child.type !== "Identifier" || !isOnlyAName(node, key)) this.visit(child, node, scope);
    });
  }

  visit(node, parent, outer) {
    const scope = this.scopes.of(node) ?? outer;
    this.check(node, parent, scope);
    if (isFunction(node)) this.inFunction(node, () => this.visitChildren(node, scope));
    else if (LOOPS.has(node.type)) this.visitLoop(node, parent, scope);
    else this.descend(node, parent, scope);
  }

  descend(node, parent, scope) {
    switch (node.type) {
      case "SwitchStatement":
        this.surrounded("switch", node, labelsOf(parent), () => this.visitChildren(node, scope));
        break;
      case "LabeledStatement":
        if (LOOPS.has(node.body.type) || node.body.type === "SwitchStatement") {
          node.body.labels = [...labelsOf(node), node.label.name];
          if (parent.type === "LabeledStatement") node.body.labels.push(...labelsOf(parent));
          this.visit(node.body, node, scope);
        } else this.surrounded("label", node, [node.label.name], () => this.visitChildren(node, scope));
        break;
      case "TryStatement":
        this.visitTry(node, scope);
        break;
      case "IfStatement":
      case "ConditionalExpression":
        this.visit(node.test, node, scope);
        this.visitGuarded(node.test, true, node.consequent, node, scope);
        if (node.alternate) this.visitGuarded(node.test, false, node.alternate, node, scope);
        break;
      case "LogicalExpression":
        this.visit(node.left, node, scope);
        if (node.operator === "??") this.visit(node.right, node, scope);
        else this.visitGuarded(node.left, node.operator === "&&", node.right, node, scope);
        break;
      case "PropertyDefinition":
      case "StaticBlock":
        this.inFunction(node, () => this.visitChildren(node, scope));
        break;
      default:
        this.visitChildren(node, scope);
    }
  }

  visitGuarded(test, whenTrue, node, parent, scope) {
    this.guards.within(guardedNames(test, whenTrue), () => this.visit(node, parent, scope));
  }

  visitTry(node, scope) {
    const block = () => this.visit(node.block, node, scope);
    if (node.handler) {
      this.surrounded("try", node, [], block);
      this.visit(node.handler, node, scope);
    } else block();
    if (node.finalizer) this.visit(node.finalizer, node, scope);
  }

  visitLoop(node, parent, scope) {
    this.surroundings.open("loop", node, node.labels ?? []);
    this.visitChildren(node, scope);
    const entry = this.surroundings.close();
    if (!("test" in node) || this.surroundings.canLeave(entry)) return;
    const place = { start: node.start, end: node.body.start };
    if (isAlwaysTrue(node.test, this.conditions, scope)) this.report("JS130", place, {});
    else if (conditionNeverChanges(node, entry, this.scopes, scope, this.functions.at(-1) ?? this.scopes.top.node)) {
      this.report("JS133", place, { names: [...new Set(variablesOf(node.test))].join(", ") });
    }
  }

  inFunction(node, visit) {
    this.surroundings.openFunction();
    this.functions.push(node);
    visit();
    this.functions.pop();
    this.surroundings.closeFunction();
  }

  surrounded(kind, node, labels, visit) {
    this.surroundings.open(kind, node, labels);
    visit();
    this.surroundings.close();
  }

  check(node, parent, scope) {
    CHECKS[node.type]?.(this, node, scope, parent);
  }

  reference(node, scope, parent) {
    const { name } = node;
    if (scope.find(name) || (this.guards.has(name) && !NEVER_GUARDED.has(name))) return;
    if (parent.type === "UnaryExpression" && parent.operator === "typeof") return;
    const rule = UNAVAILABLE_GLOBALS.get(name);
    if (rule) {
      if (name !== "Function" || !isHarmlessUse(parent)) this.report(rule, node, { name });
    } else if (!this.globals.has(name) && !(name === "arguments" && this.functions.length)) {
      this.report("JS120", node, { name, hint: this.hint(name, scope) });
    }
  }

  hint(name, scope) {
    if (++this.hints > MOST_HINTS || name.length > 100) return null;
    return nearestName(name, namesInReach(scope, this.globals));
  }

  regex(node, pattern, flags) {
    const danger = regexDanger(pattern, flags);
    if (danger) this.report(danger === "exponential" ? "JS131" : "JS132", node, {});
  }

  // new RegExp('(a+)+$', 'i')
  madeRegex(node, scope) {
    if (node.callee.type !== "Identifier" || node.callee.name !== "RegExp" || scope.find("RegExp")) return;
    const [pattern, flags = ""] = node.arguments.map((each) => this.folding.value(each, scope));
    if (typeof pattern === "string" && typeof flags === "string") this.regex(node, pattern, flags);
  }

  isGlobal(node, name, scope) {
    return node.type === "Identifier" && node.name === name && !scope.find(name);
  }
}

const CHECKS = {
  Identifier: (checker, node, scope, parent) => checker.reference(node, scope, parent),
  ThisExpression(checker, node) {
    if (!checker.functions.some((each) => each.type !== "ArrowFunctionExpression")) {
      checker.report("JS106", node, { name: "this" });
    }
  },
  FunctionDeclaration: checkAsync,
  FunctionExpression: checkAsync,
  ArrowFunctionExpression: checkAsync,
  ForOfStatement(checker, node, scope) {
    if (node.await) checker.report("JS105", node, { name: "for await" });
    checkLoopTarget(checker, node, scope);
  },
  ImportExpression: (checker, node) => checker.report("JS103", node, { name: "import" }),
  DebuggerStatement: (checker, node) => checker.report("JS140", node, {}),
  ReturnStatement: (checker) => checker.surroundings.note("returns"),
  YieldExpression: (checker) => checker.surroundings.note("returns"),
  ThrowStatement: (checker) => checker.surroundings.note("throws"),
  BreakStatement: (checker, node) => checker.surroundings.noteBreak(node.label?.name ?? null),
  ContinueStatement: (checker, node) => checker.surroundings.noteContinue(node.label?.name ?? null),
  MemberExpression(checker, node, scope, parent) {
    checker.surroundings.note("calls"); // Reading a property of null or undefined throws, as a call may.
    checker.properties.read(node, scope, parent);
  },
  CallExpression(checker, node, scope) {
    checker.surroundings.note("calls");
    checker.properties.called(node, scope);
    checker.madeRegex(node, scope);
    const { folding } = checker;
    if (checker.isGlobal(node.callee, "Date", scope)) checker.report("JS150", node, { name: "Date()" });
    for (const [object, method] of [["Math", "random"], ["Date", "now"]]) {
      if (folding.isGlobalMember(node.callee, object, method, scope)) {
        checker.report("JS150", node, { name: `${object}.${method}()` });
      }
    }
  },
  NewExpression(checker, node, scope) {
    checker.surroundings.note("calls");
    checker.madeRegex(node, scope);
    if (checker.isGlobal(node.callee, "Date", scope) && node.arguments.length === 0) {
      checker.report("JS150", node, { name: "new Date()" });
    }
  },
  TaggedTemplateExpression: (checker) => checker.surroundings.note("calls"),
  Property(checker, node, scope, parent) {
    if (parent.type === "ObjectPattern") checker.properties.destructured(node, scope);
    else checker.properties.defined(node, scope);
  },
  PropertyDefinition: (checker, node, scope) => checker.properties.defined(node, scope),
  MethodDefinition: (checker, node, scope) => checker.properties.defined(node, scope),
  AssignmentExpression: (checker, node, scope) => checker.properties.written(node.left, scope),
  UpdateExpression: (checker, node, scope) => checker.properties.written(node.argument, scope),
  ForInStatement: checkLoopTarget,
  UnaryExpression(checker, node, scope) {
    if (node.operator === "delete") checker.properties.written(unwrapped(node.argument), scope);
  },
  Literal(checker, node) {
    if (node.regex) checker.regex(node, node.regex.pattern, node.regex.flags);
  },
};

function checkLoopTarget(checker, node, scope) {
  if (node.left.type !== "VariableDeclaration") checker.properties.written(node.left, scope);
}

function checkAsync(checker, node) {
  if (node.async) checker.report("JS105", headOf(node), { name: "async" });
}

// x instanceof Function, Function.prototype.call.bind(...): nothing is made from text.
function isHarmlessUse(parent) {
  if (parent.type === "MemberExpression") return !parent.computed && parent.property.name === "prototype";
  return parent.type === "BinaryExpression" && /^(?:instanceof|[!=]==?)$/.test(parent.operator);
}

function labelsOf(node) {
  if (node.type !== "LabeledStatement") return [];
  return node.labels ?? [];
}
