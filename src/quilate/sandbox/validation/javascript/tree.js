// Walking the syntax tree that acorn makes.

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
const LOOPS = new Set(["ForStatement", "ForInStatement", "ForOfStatement", "WhileStatement", "DoWhileStatement"]);

const isFunction = (node) => FUNCTIONS.has(node.type);

// Properties that hold no other nodes, but for the value of a property.
const SKIPPED = new Set(["type", "start", "end", "value", "raw", "regex", "bigint", "directive", "operator"]);

function forEachChild(node, visit) {
  for (const key in node) {
    if (SKIPPED.has(key) && !(key === "value" && isNode(node.value))) continue;
    const child = node[key];
    if (Array.isArray(child)) {
      for (const each of child) if (isNode(each)) visit(each, key);
    } else if (isNode(child)) visit(child, key);
  }
}

function isNode(value) {
  return value !== null && typeof value === "object" && typeof value.type === "string";
}

// Whether an identifier below `parent` only names something (a property, a key, a label) and refers to no variable.
function isOnlyAName(parent, key) {
  switch (parent.type) {
    case "MemberExpression":
      return key === "property" && !parent.computed;
    case "Property":
    case "MethodDefinition":
    case "PropertyDefinition":
      return key === "key" && !parent.computed;
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
      return key === "label";
    case "MetaProperty":
      return true;
    default:
      return false;
  }
}

// Calls `visit` with each identifier that a pattern binds, and with each expression that it assigns to.
function forEachTarget(pattern, visit) {
  switch (pattern?.type) {
    case "ObjectPattern":
      for (const property of pattern.properties) forEachTarget(property.value ?? property.argument, visit);
      break;
    case "ArrayPattern":
      for (const element of pattern.elements) if (element) forEachTarget(element, visit);
      break;
    case "AssignmentPattern":
      forEachTarget(pattern.left, visit);
      break;
    case "RestElement":
      forEachTarget(pattern.argument, visit);
      break;
    case undefined:
      break;
    default:
      visit(pattern);
  }
}

// Optional chaining wraps what it is about; nothing here cares whether it is optional.
function unwrapped(node) {
  return node?.type === "ChainExpression" ? node.expression : node;
}
