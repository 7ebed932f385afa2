// Properties that lead to the engine's inner workings, and changes of what is built in.

const CLASSES = new Set(["ClassDeclaration", "ClassExpression"]);

class Properties {
  constructor(scopes, folding, globals, report) {
    this.scopes = scopes;
    this.folding = folding;
    this.globals = globals;
    this.report = report;
  }

  // object.name, object["name"], object?.name
  read(node, scope, parent) {
    const key = this.folding.key(node, scope);
    if (node.computed && isMadeWhenRun(node.property)) this.report("JS110", node.property, { name: "[object]" });
    if (node.property.type === "PrivateIdentifier" || key === undefined) return;
    if (key === "callee" && node.object.type === "Identifier" && node.object.name === "arguments") {
      this.report("JS113", node, { name: key });
    }
    if (key === "caller" && this.isFunctionName(node.object, scope)) this.report("JS113", node, { name: key });
    const rule = DANGEROUS_PROPERTIES.get(key);
    if (!rule) return;
    if (key === "constructor" && !node.computed && this.isHarmlessConstructor(node, scope, parent)) return;
    this.report(rule, node.property, { name: key });
  }

  // x.constructor === Array and x.constructor.name say what kind of value x is; new this.constructor(...) within a class
  // makes another object of it, or of one that extends it; Mine.prototype.constructor = Mine is how ES5 wrote classes.
  isHarmlessConstructor(node, scope, parent) {
    if (node.object.type === "ThisExpression" && isOwnClass(node, scope)) return true;
    if (parent.type === "SwitchStatement") return true;
    if (parent.type === "BinaryExpression" && /^[!=]==?$/.test(parent.operator)) return true;
    if (parent.type === "UnaryExpression" && parent.operator === "typeof") return true;
    if (parent.type === "MemberExpression" && parent.object === node) {
      return !parent.computed && parent.property.name === "name";
    }
    return parent.type === "AssignmentExpression" && parent.left === node && this.isOwnPrototype(node.object, scope);
  }

  isOwnPrototype(node, scope) {
    if (node.type !== "MemberExpression" || this.folding.key(node, scope) !== "prototype") return false;
    return node.object.type === "Identifier" && scope.find(node.object.name) !== null;
  }

  isFunctionName(node, scope) {
    return node.type === "Identifier" && scope.find(node.name)?.kind === "function";
  }

  // const {name: x} = object, function f({name}) {}
  destructured(node, scope) {
    const rule = DANGEROUS_PROPERTIES.get(this.keyOfProperty(node, scope));
    if (rule) this.report(rule, node.key, { name: this.keyOfProperty(node, scope) });
  }

  // {__proto__: x} sets what the object inherits from, null being nothing; {constructor: x} only names a field.
  defined(node, scope) {
    if (node.value?.type === "Literal" && node.value.raw === "null" && !node.computed) return;
    if (this.keyOfProperty(node, scope) === "__proto__") this.report("JS111", node.key, { name: "__proto__" });
  }

  keyOfProperty(node, scope) {
    if (node.computed) return this.folding.name(node.key, scope);
    return node.key.type === "Literal" ? String(node.key.value) : node.key.type === "Identifier" ? node.key.name : undefined;
  }

  // Assignments, deletions: of a built-in object's own properties, and of a built-in global itself.
  written(target, scope) {
    forEachTarget(target, (each) => {
      if (each.type === "Identifier" && !scope.find(each.name) && this.globals.has(each.name)) {
        this.report("JS111", each, { name: each.name });
      }
      if (each.type === "MemberExpression" && !this.isReported(each, scope)) this.writtenMember(each, scope);
    });
  }

  isReported(node, scope) {
    return DANGEROUS_PROPERTIES.has(this.folding.key(node, scope));
  }

  writtenMember(node, scope) {
    const name = this.builtIn(node.object, scope);
    if (name) this.report("JS111", node, { name });
  }

  // Object.assign(Array.prototype, ...), Reflect.get(object, "name")
  called(node, scope) {
    const callee = unwrapped(node.callee);
    if (callee.type !== "MemberExpression" || callee.object.type !== "Identifier") return;
    if (!["Object", "Reflect"].includes(callee.object.name) || scope.find(callee.object.name)) return;
    const method = this.folding.key(callee, scope);
    const [first, second] = node.arguments;
    const name = CHANGING_METHODS.has(method) && first && this.builtIn(first, scope);
    if (name) this.report("JS111", node, { name });
    const key = NAMING_METHODS.has(method) && second ? this.folding.name(second, scope) : undefined;
    if (DANGEROUS_PROPERTIES.has(key)) this.report(DANGEROUS_PROPERTIES.get(key), second, { name: key });
  }

  // The name of the built-in object that an expression is or leads into; null for everything of the script's own.
  builtIn(node, scope, depth = 0) {
    const inner = unwrapped(node);
    if (depth > 50) return null;
    switch (inner.type) {
      case "Identifier":
        return this.builtInVariable(inner.name, scope, depth);
      case "MemberExpression": {
        const name = this.builtIn(inner.object, scope, depth + 1);
        const key = this.folding.key(inner, scope);
        return name && (key ? `${name}.${key}` : name);
      }
      case "CallExpression":
        return this.isPrototypeOf(inner.callee, scope) ? "Object.getPrototypeOf()" : null;
      default:
        return null;
    }
  }

  isPrototypeOf(callee, scope) {
    return ["Object", "Reflect"].some((object) => this.folding.isGlobalMember(callee, object, "getPrototypeOf", scope));
  }

  builtInVariable(name, scope, depth) {
    const binding = scope.find(name);
    if (!binding) return this.globals.has(name) && !FIXED_GLOBALS.has(name) ? name : null;
    const init = this.scopes.constantValue(name, binding);
    // An alias: const proto = Object.prototype. What a call of a built-in gives is the script's own.
    return init && !isFunction(init) ? this.builtIn(init, binding.scope, depth + 1) : null;
  }
}

// Whether `this.constructor` is a class of the script's own: in its methods and fields, but not in its static ones, where
// `this` is the class itself and what made that is Function.
function isOwnClass(node, scope) {
  let inner = null;
  for (let each = scope; each; each = each.parent) {
    if (CLASSES.has(each.node.type)) {
      const member = each.node.body.body.find(({ start, end }) => start <= node.start && node.end <= end);
      return Boolean(member) && member.type !== "StaticBlock" && !member.static && (!inner || inner === member.value);
    }
    if (inner) return false;
    if (isFunction(each.node) && each.node.type !== "ArrowFunctionExpression") inner = each.node;
  }
  return false;
}

// A key that is an object is turned into text by code that runs then.
function isMadeWhenRun(node) {
  return node.type === "ObjectExpression" || node.type === "ClassExpression" || isFunction(node);
}
