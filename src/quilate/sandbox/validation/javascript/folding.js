// Constant folding: the value of an expression that is the same in each run, so that 'con' + 'structor',
// `constr${'uctor'}`, ['cons', 'tructor'].join('') and String.fromCharCode(99, 111, ...) are all read as what they say.
//
// Values are primitives, arrays of them, and built-in methods (whose text is a known source of letters). Everything else,
// and everything longer than the limits, is unknown: `undefined`. VOID is the value undefined.

const VOID = Object.freeze({ toString: () => "undefined" });
const plain = (value) => (value === VOID ? undefined : value);

const LONGEST_TEXT = 4096;
const LONGEST_LIST = 512;

const TEXT_METHODS = new Set([
  "at", "charAt", "concat", "normalize", "padEnd", "padStart", "repeat", "replace", "replaceAll", "slice", "split",
  "substr", "substring", "toLowerCase", "toString", "toUpperCase", "trim", "trimEnd", "trimStart", "valueOf",
]);
const LIST_METHODS = new Set(["at", "concat", "join", "slice", "toReversed", "toString", "flat", "with"]);
const UNARY = {
  "+": (value) => +value,
  "-": (value) => -value,
  "~": (value) => ~value,
  "!": (value) => !value,
  typeof: (value) => typeof value,
  void: () => undefined,
};
const BINARY = {
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
  "%": (left, right) => left % right,
  "^": (left, right) => left ^ right,
  "|": (left, right) => left | right,
  "&": (left, right) => left & right,
  "<<": (left, right) => left << right,
  ">>": (left, right) => left >> right,
  "===": (left, right) => left === right,
  "!==": (left, right) => left !== right,
  "==": (left, right) => left == right,
  "!=": (left, right) => left != right,
  "<": (left, right) => left < right,
  "<=": (left, right) => left <= right,
  ">": (left, right) => left > right,
  ">=": (left, right) => left >= right,
};

class Folding {
  // `keepsLists`: whether an array in a variable counts as what it was made with. What a key may say is read so, being
  // suspicious; how long an array is while its elements are taken and put is nothing that holds in each run.
  constructor(scopes, { keepsLists = true } = {}) {
    this.scopes = scopes;
    this.keepsLists = keepsLists;
    this.known = new Map();
  }

  value(node, scope) {
    if (!node) return undefined;
    if (this.known.has(node)) return this.known.get(node);
    this.known.set(node, undefined); // What refers to itself has no constant value.
    const value = bounded(this.compute(node, scope));
    this.known.set(node, value);
    return value;
  }

  isTrue(node, scope) {
    return Boolean(plain(this.value(node, scope)));
  }

  // The text that a value has as the name of a property.
  name(node, scope) {
    const value = this.value(node, scope);
    if (value === undefined || typeof value === "function") return undefined;
    return String(value);
  }

  compute(node, scope) {
    switch (node.type) {
      case "Literal":
        return node.regex || typeof node.value === "bigint" ? undefined : node.value;
      case "TemplateLiteral":
        return this.template(node, scope, "cooked");
      case "TaggedTemplateExpression":
        return this.isGlobalMember(node.tag, "String", "raw", scope) ? this.template(node.quasi, scope, "raw") : undefined;
      case "ArrayExpression":
        return this.list(node.elements, scope);
      case "UnaryExpression":
        return this.applied(UNARY[node.operator], [node.argument], scope);
      case "BinaryExpression":
        return this.applied(BINARY[node.operator], [node.left, node.right], scope);
      case "LogicalExpression":
        return this.logical(node, scope);
      case "ConditionalExpression":
        return this.conditional(node, scope);
      case "SequenceExpression":
        return this.value(node.expressions.at(-1), scope);
      case "AssignmentExpression":
        return node.operator === "=" ? this.value(node.right, scope) : undefined;
      case "ChainExpression":
        return this.value(node.expression, scope);
      case "Identifier":
        return this.variable(node.name, scope);
      case "MemberExpression":
        return this.member(node, scope);
      case "CallExpression":
        return this.call(node, scope);
      default:
        return undefined;
    }
  }

  template(node, scope, form) {
    let text = node.quasis[0].value[form];
    for (let index = 0; index < node.expressions.length; index++) {
      const value = this.value(node.expressions[index], scope);
      if (value === undefined) return undefined;
      text += String(value) + node.quasis[index + 1].value[form];
    }
    return text ?? undefined;
  }

  list(nodes, scope) {
    if (nodes.length > LONGEST_LIST) return undefined;
    const values = [];
    for (const node of nodes) {
      const value = node?.type === "SpreadElement" ? this.value(node.argument, scope) : this.value(node, scope);
      if (value === undefined) return undefined;
      if (node.type !== "SpreadElement") values.push(value);
      else if (typeof value === "string" || Array.isArray(value)) values.push(...value);
      else return undefined;
    }
    return values;
  }

  applied(operation, nodes, scope) {
    if (!operation) return undefined;
    const values = nodes.map((node) => this.value(node, scope));
    if (values.includes(undefined)) return undefined;
    return attempt(() => operation(...values.map(plain)) ?? VOID);
  }

  logical(node, scope) {
    const left = this.value(node.left, scope);
    if (left === undefined) return undefined;
    const value = plain(left);
    const decided = { "&&": !value, "||": Boolean(value), "??": value !== null && value !== undefined }[node.operator];
    return decided ? left : this.value(node.right, scope);
  }

  conditional(node, scope) {
    const test = this.value(node.test, scope);
    return test === undefined ? undefined : this.value(plain(test) ? node.consequent : node.alternate, scope);
  }

  variable(name, scope) {
    const binding = scope.find(name);
    if (!binding) return { NaN, Infinity, undefined: VOID }[name];
    const init = this.scopes.constantValue(name, binding);
    const value = init && !isFunction(init) ? this.value(init, binding.scope) : undefined;
    return Array.isArray(value) && !this.keepsLists ? undefined : value;
  }

  member(node, scope) {
    const object = this.value(node.object, scope);
    const key = this.key(node, scope);
    if (object === undefined || object === VOID || key === undefined || typeof object === "function") return undefined;
    if (/^\d+$/.test(key) || key === "length") return Object(object)[key] ?? VOID;
    if (!(key in Object(object))) return VOID;
    const inherited = Object.getPrototypeOf(Object(object))[key];
    return typeof inherited === "function" && !DANGEROUS_PROPERTIES.has(key) ? inherited : undefined;
  }

  // The name of the property that a member expression is about.
  key(node, scope) {
    if (node.computed) return this.name(node.property, scope);
    return node.property.type === "Identifier" ? node.property.name : undefined;
  }

  call(node, scope) {
    const callee = unwrapped(node.callee);
    const given = this.list(node.arguments, scope);
    if (!given) return undefined;
    if (callee.type === "Identifier") return this.globalCall(callee.name, given, scope);
    if (callee.type !== "MemberExpression") return undefined;
    const method = this.key(callee, scope);
    const ofString = callee.object.type === "Identifier" && callee.object.name === "String" && !scope.find("String");
    if (ofString) return this.characters(method, given);
    const applies = ["apply", "call"].includes(method) && unwrapped(callee.object);
    if (applies && applies.type === "MemberExpression") {
      return this.appliedMethod(applies, method === "apply" ? given[1] : given.slice(1), scope);
    }
    return this.methodCall(this.value(callee.object, scope), method, given);
  }

  appliedMethod(node, given, scope) {
    const isString = node.object.type === "Identifier" && node.object.name === "String" && !scope.find("String");
    return isString && Array.isArray(given) ? this.characters(this.key(node, scope), given) : undefined;
  }

  globalCall(name, given, scope) {
    if (scope.find(name) || typeof given[0] === "function") return undefined;
    if (name === "String") return given.length ? String(given[0]) : "";
    const decode = { decodeURIComponent, decodeURI, unescape }[name];
    return decode && attempt(() => decode(given[0]));
  }

  characters(method, given) {
    if (method === "fromCharCode") return String.fromCharCode(...given);
    if (method === "fromCodePoint") return attempt(() => String.fromCodePoint(...given));
    return undefined;
  }

  methodCall(object, method, given) {
    if (typeof object === "string" && TEXT_METHODS.has(method)) return textMethod(object, method, given);
    if (typeof object === "number" && method === "toString") return attempt(() => object.toString(...given));
    if (!Array.isArray(object)) return undefined;
    if (method === "reverse") return object.slice().reverse();
    return LIST_METHODS.has(method) ? attempt(() => object[method](...given)) : undefined;
  }

  // Whether a node is `object.property` of a built-in global.
  isGlobalMember(node, object, property, scope) {
    const inner = unwrapped(node);
    return (
      inner?.type === "MemberExpression" &&
      inner.object.type === "Identifier" &&
      inner.object.name === object &&
      !scope.find(object) &&
      this.key(inner, scope) === property
    );
  }
}

function textMethod(text, method, given) {
  const count = method === "repeat" || method.startsWith("pad") ? Number(given[0]) : 0;
  if (count > LONGEST_TEXT || given.some((value) => typeof value === "function")) return undefined;
  return attempt(() => text[method](...given));
}

function bounded(value) {
  if (typeof value === "string" && value.length > LONGEST_TEXT) return undefined;
  return Array.isArray(value) && value.length > LONGEST_LIST ? undefined : value;
}

function attempt(operation) {
  try {
    return operation();
  } catch {
    return undefined;
  }
}
