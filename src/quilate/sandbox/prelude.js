// Runs before any script: keeps what it needs later (a script may change every object that it can reach). Its value is
// called once in each isolate: that takes away the globals that are not on the list and gives back the one function that
// the host calls. What runs before that call may lie in a snapshot; what V8 adds to each new global object comes after.
(() => {
  "use strict";
  const bound = Function.prototype.call.bind.bind(Function.prototype.call);
  const { parse, stringify } = JSON;
  const { defineProperty, getOwnPropertyNames, setPrototypeOf } = Object;
  const { deleteProperty } = Reflect;
  const { isArray } = Array;
  const toText = String, RangeErrorOf = RangeError, ErrorOf = Error, PromiseOf = Promise, TypeErrorOf = TypeError;
  const isInstance = bound(Function.prototype[Symbol.hasInstance]);
  const find = bound(String.prototype.indexOf), cut = bound(String.prototype.slice);
  const match = bound(RegExp.prototype.exec);
  const then = bound(PromiseOf.prototype.then);

  const allowed = { __proto__: null };
  for (const name of ALLOWED_GLOBALS) allowed[name] = true;
  const clean = () => {
    const names = getOwnPropertyNames(globalThis);
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (!allowed[name] && !deleteProperty(globalThis, name)) globalThis[name] = undefined;
    }
  };

  // Console.

  let lines, used, truncated, limit = 0;
  const show = (value) => {
    if (typeof value === "string") return value;
    if (typeof value !== "object" || value === null || isInstance(ErrorOf, value)) return toText(value);
    try {
      return stringify(value) ?? toText(value);
    } catch {
      return "[object]";
    }
  };
  const log = (...values) => {
    if (used >= limit) {
      truncated = true;
      return;
    }
    let line = "";
    for (let i = 0; i < values.length; i++) line += (i ? " " : "") + show(values[i]);
    if (line.length > limit - used) {
      line = cut(line, 0, limit - used);
      truncated = true;
    }
    used += line.length + 1;
    lines[lines.length] = line;
  };
  const console = {
    value: { log, info: log, warn: log, error: log, debug: log },
    writable: true, configurable: true, enumerable: false,
  };

  // Input.

  let line = 0;
  const eachLine = (text, visit) => {
    line = 0;
    for (let begin = 0; begin < text.length; ) {
      let end = find(text, "\n", begin);
      if (end < 0) end = text.length;
      line++;
      const content = cut(text, begin, end);
      if (match(/[^ \t\r]/, content)) visit(content);
      begin = end + 1;
    }
    line = 0;
  };
  const JSON_TEXT = 0, LINES = 1, VALUE = 2;
  const read = (input, format) => {
    if (format === VALUE) return input;
    if (format === JSON_TEXT) return parse(input);
    const records = [];
    eachLine(input, (content) => { records[records.length] = parse(content); });
    return records;
  };

  // Answers.

  // Long arrays are written in parts of about 64 KiB, so that one that is too long ends before it is put together.
  const FEWEST = 64, MOST = 4096, PART = 65536;
  const tooLong = { __proto__: null };
  const arrayText = (list, most) => {
    let text = "[";
    let size = FEWEST;
    for (let begin = 0; begin < list.length; ) {
      const part = [];
      const end = begin + size < list.length ? begin + size : list.length;
      for (let i = begin; i < end; i++) part[part.length] = list[i];
      const content = stringify(part);
      text += (begin ? "," : "") + cut(content, 1, -1);
      if (text.length > most) throw tooLong;
      if (content.length < PART && size < MOST) size *= 2;
      else if (content.length > 2 * PART && size > 1) size >>>= 1;
      begin = end;
    }
    return text + "]";
  };
  const linesText = (list, most) => {
    let text = "";
    for (let i = 0; i < list.length; i++) {
      text += (stringify(list[i]) ?? "null") + "\n";
      if (text.length > most) throw tooLong;
    }
    return text;
  };
  const write = (value, format, most) => {
    let text;
    const many = isArray(value) && typeof value.toJSON !== "function";
    if (format === LINES) text = many ? linesText(value, most) : stringify(value);
    else text = many && value.length > FEWEST ? arrayText(value, most) : stringify(value);
    if (text === undefined) return text;
    if (format === LINES && !many) text += "\n";
    if (text.length > most) throw tooLong;
    return text;
  };

  // Errors. This runs code of the script where it threw its own objects, so it is always called inside a limited call.

  const messages = {
    __proto__: null,
    "Maximum call stack size exceeded": "recursion",
    "Array buffer allocation failed": "memory",
    "Invalid string length": "memory",
  };
  const describe = (thrown) => {
    const about = { __proto__: null, kind: "runtime", message: "", stack: "", line };
    const known = isInstance(RangeErrorOf, thrown) ? messages[toText(thrown.message)] : undefined;
    if (known !== undefined) about.kind = known;
    about.message = cut(toText(thrown), 0, 2000);
    if (typeof thrown === "object" && thrown !== null && typeof thrown.stack === "string") {
      about.stack = cut(thrown.stack, 0, 4000);
    }
    return about;
  };
  const fail = (kind, message) => ({ __proto__: null, kind, message, stack: "", line: 0 });
  const ofAnswer = (thrown) => {
    if (thrown === tooLong) return fail("output", "");
    const about = describe(thrown);
    const text = about.message;
    if (text === "RangeError: Invalid string length") about.kind = "output";
    else if (isInstance(TypeErrorOf, thrown) && find(text, "circular ") >= 0) about.kind = "cycle";
    else if (isInstance(TypeErrorOf, thrown) && find(text, "BigInt") >= 0) {
      about.kind = "bigint";
    }
    return about;
  };

  // Calls. The host gets the text itself where there is nothing else to say, else which of these there is to ask for.

  const FAILED = 1, TEXT = 2, RESULT = 4, CONSOLE = 8;
  let failure = null, output;
  const run = (script, input, format, answer, most) => {
    let value;
    failure = output = undefined;
    try {
      value = read(input, format);
    } catch (thrown) {
      failure = describe(thrown);
      failure.kind = failure.kind === "runtime" ? "input" : failure.kind;
      return;
    }
    try {
      value = script(value);
    } catch (thrown) {
      failure = describe(thrown);
      return;
    }
    if (isInstance(PromiseOf, value)) {
      then(value, undefined, () => {});
      failure = fail("promise", "");
      return;
    }
    try {
      output = answer === VALUE ? value : write(value, answer, most);
    } catch (thrown) {
      failure = ofAnswer(thrown);
      return;
    }
    if (output === undefined) failure = fail("undefined", typeof value);
  };
  const begin = (consoleLimit) => {
    lines = setPrototypeOf([], null);
    used = 0;
    truncated = false;
    limit = consoleLimit;
  };
  const execute = (script, input, format, answer, most) => {
    run(script, input, format, answer, most);
    const said = lines.length || truncated ? CONSOLE : 0;
    if (failure) return FAILED | said;
    if (answer === VALUE) return RESULT | said;
    return said ? TEXT | said : output;
  };
  const report = () => stringify({ __proto__: null, failure: failure ?? null, lines, truncated });

  // Until the first call the console takes what the script says while it is read.
  let first = true;
  begin(FIRST_CONSOLE_LIMIT);
  const kept = {
    __proto__: null, bound, parse, isArray, toText, match, read, eachLine, describe, VALUE, JSON_TEXT,
    defineProperty, construct: Reflect.construct, ownKeys: Reflect.ownKeys, getValue: Reflect.get,
    hasValue: Reflect.has, ProxyOf: Proxy, abs: Math.abs, imul: Math.imul, isInteger: Number.isInteger,
    getOwnPropertyDescriptor: Object.getOwnPropertyDescriptor,
  };
  const operations = [
    (script, input, format, answer, most, consoleLimit) => {
      if (first) limit = consoleLimit;
      else begin(consoleLimit);
      first = false;
      return execute(script, input, format, answer, most);
    },
    report,
    () => {
      const taken = output;
      output = undefined;
      return taken;
    },
    (further) => further(operations, kept),
  ];
  setPrototypeOf(operations, null);
  // An input, text or rows, may be the receiver: it need not be put among the arguments first.
  const host = function (operation, a, b, c, d, e, f) {
    const input = typeof this === "string" || isArray(this) ? this : b;
    return operations[operation](a, input, c, d, e, f);
  };
  return () => {
    clean();
    defineProperty(globalThis, "console", console);
    return host;
  };
})()
//# sourceURL=quilate-prelude
