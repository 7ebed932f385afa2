// What is known of names. The globals that scripts may use come with each request: the sandbox's own list.

const UNAVAILABLE_GLOBALS = new Map([
  ...entries("JS101", ["eval"]),
  ...entries("JS102", ["Function", "GeneratorFunction", "AsyncFunction", "AsyncGeneratorFunction"]),
  ...entries("JS103", ["require", "module", "exports", "importScripts", "define"]),
  ...entries("JS104", [
    "setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate",
    "queueMicrotask", "requestAnimationFrame", "requestIdleCallback",
  ]),
  ...entries("JS105", ["Promise", "AsyncDisposableStack", "AsyncIterator"]),
  ...entries("JS106", ["globalThis", "window", "self", "global", "Deno", "Bun", "frames"]),
  ...entries("JS107", ["fetch", "XMLHttpRequest", "WebSocket", "EventSource", "Worker", "SharedWorker", "navigator"]),
  ...entries("JS108", ["WebAssembly", "SharedArrayBuffer", "Atomics", "FinalizationRegistry", "WeakRef", "ShadowRealm"]),
]);

const DANGEROUS_PROPERTIES = new Map([
  ...entries("JS110", ["constructor"]),
  ...entries("JS111", ["__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"]),
  ...entries("JS112", ["prepareStackTrace", "captureStackTrace", "stackTraceLimit"]),
]);

// Methods of Object and Reflect that change their first argument.
const CHANGING_METHODS = new Set([
  "assign", "defineProperty", "defineProperties", "deleteProperty", "set", "setPrototypeOf",
]);

// Methods of Object and Reflect that reach a property by its name.
const NAMING_METHODS = new Set(["defineProperty", "get", "getOwnPropertyDescriptor", "set"]);

// A host may have these or not, so that a script asks with `typeof` before it uses them; what makes code is no such name.
const NEVER_GUARDED = new Set(["eval", "Function", "GeneratorFunction", "AsyncFunction", "AsyncGeneratorFunction"]);

// A script cannot declare these with let, const or class at its top level: the global object has them for good.
const FIXED_GLOBALS = new Set(["undefined", "NaN", "Infinity"]);

function entries(rule, names) {
  return names.map((name) => [name, rule]);
}
