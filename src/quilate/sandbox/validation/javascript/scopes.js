// Scopes: which names each part of a script declares, and where variables are assigned.

class Scope {
  constructor(parent, node) {
    this.parent = parent;
    this.node = node;
    this.bindings = new Map();
  }

  declare(name, kind, init = null, unpacked = false) {
    const known = this.bindings.get(name);
    // Of a name declared twice the value is not known.
    this.bindings.set(name, { kind, init: known ? null : init, scope: this, declaredTwice: Boolean(known), unpacked });
  }

  find(name) {
    for (let scope = this; scope; scope = scope.parent) {
      const binding = scope.bindings.get(name);
      if (binding) return binding;
    }
    return null;
  }
}

class Scopes {
  constructor(program) {
    this.byNode = new Map();
    this.assignments = new Map();
    this.top = this.open(program, null);
    this.walk(program, this.top, this.top, program);
  }

  of(node) {
    return this.byNode.get(node);
  }

  // The value that a binding always has, as a node; null where it may have several.
  constantValue(name, binding) {
    if (!binding.init || binding.kind === "parameter") return null;
    return binding.kind === "const" || !this.assignments.has(name) ? binding.init : null;
  }

  open(node, parent) {
    const scope = new Scope(parent, node);
    this.byNode.set(node, scope);
    return scope;
  }

  walk(node, scope, functionScope, functionNode) {
    forEachChild(node, (child) => this.enter(child, node, scope, functionScope, functionNode));
  }

  enter(node, parent, scope, functionScope, functionNode) {
    if (isFunction(node)) {
      this.enterFunction(node, scope);
      return;
    }
    let inner = scope;
    let varScope = functionScope;
    switch (node.type) {
      case "BlockStatement":
        if (!isFunction(parent)) inner = this.open(node, scope);
        break;
      case "StaticBlock":
        inner = varScope = this.open(node, scope);
        break;
      case "SwitchStatement":
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
      case "CatchClause":
        inner = this.open(node, scope);
        if (node.type === "CatchClause") this.declarePattern(node.param, inner, "parameter");
        break;
      case "ClassDeclaration":
      case "ClassExpression":
        if (node.type === "ClassDeclaration") scope.declare(node.id.name, "class", node);
        inner = this.open(node, scope);
        if (node.id) inner.declare(node.id.name, "class", node);
        break;
      case "VariableDeclaration":
        this.declareVariables(node, node.kind === "var" ? functionScope : scope);
        break;
      case "AssignmentExpression":
        this.noteAssignments(node.left, functionNode);
        break;
      case "UpdateExpression":
        this.noteAssignments(node.argument, functionNode);
        break;
    }
    if ((node.type === "ForInStatement" || node.type === "ForOfStatement") && node.left.type !== "VariableDeclaration") {
      this.noteAssignments(node.left, functionNode);
    }
    this.walk(node, inner, varScope, functionNode);
  }

  enterFunction(node, scope) {
    if (node.type === "FunctionDeclaration") scope.declare(node.id.name, "function", node);
    const own = this.open(node, scope);
    if (node.type === "FunctionExpression" && node.id) own.declare(node.id.name, "function", node);
    if (node.type !== "ArrowFunctionExpression") own.declare("arguments", "parameter");
    for (const parameter of node.params) this.declarePattern(parameter, own, "parameter");
    this.walk(node, own, own, node);
  }

  declareVariables(declaration, scope) {
    for (const { id, init } of declaration.declarations) {
      if (id.type === "Identifier") scope.declare(id.name, declaration.kind, init);
      else this.declarePattern(id, scope, declaration.kind);
    }
  }

  declarePattern(pattern, scope, kind) {
    forEachTarget(pattern, (target) => {
      if (target.type === "Identifier") scope.declare(target.name, kind, null, true);
    });
  }

  noteAssignments(pattern, functionNode) {
    forEachTarget(pattern, (target) => {
      if (target.type !== "Identifier") return;
      const known = this.assignments.get(target.name) ?? [];
      known.push({ offset: target.start, functionNode });
      this.assignments.set(target.name, known);
    });
  }
}
