// Runs once in each new isolate before any script: keeps what it needs later (a script may change every object that it
// can reach), takes away the globals that are not on the list, and gives back the one function that the host calls.
(() => {
  "use strict";
  const bound = Function.prototype.call.bind.bind(Function.prototype.call);
  const { parse, stringify } = JSON;
  const { defineProperty, getOwnPropertyDescriptor, getOwnPropertyNames, setPrototypeOf } = Object;
  const { isArray } = Array;
  const { construct, ownKeys, get: getValue, has: hasValue } = Reflect;
  const { abs, imul } = Math;
  const { isInteger } = Number;
  const toText = String, ProxyOf = Proxy, RangeErrorOf = RangeError, ErrorOf = Error, PromiseOf = Promise;
  const TypeErrorOf = TypeError;
  const isInstance = bound(Function.prototype[Symbol.hasInstance]);
  const find = bound(String.prototype.indexOf), cut = bound(String.prototype.slice);
  const match = bound(RegExp.prototype.exec);
  const then = bound(PromiseOf.prototype.then);

  const allowed = { __proto__: null };
  for (const name of ALLOWED_GLOBALS) allowed[name] = true;
  for (const name of getOwnPropertyNames(globalThis)) if (!allowed[name]) delete globalThis[name];

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
  defineProperty(globalThis, "console", {
    value: { log, info: log, warn: log, error: log, debug: log },
    writable: true, configurable: true, enumerable: false,
  });

  // Deterministic mode: random numbers by mulberry32, a clock that stands still.

  let state = 0;
  const seeded = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const replace = (owner, name, value) => defineProperty(owner, name, { value, writable: true, configurable: true });
  const standStill = (now) => {
    const RealDate = Date;
    const toDateText = bound(RealDate.prototype.toString);
    function FixedDate(...values) {
      if (new.target === undefined) return toDateText(new RealDate(now));
      return construct(RealDate, values.length ? values : [now], new.target);
    }
    defineProperty(FixedDate, "name", { value: "Date", configurable: true });
    defineProperty(FixedDate, "length", { value: 7, configurable: true });
    defineProperty(FixedDate, "prototype", { value: RealDate.prototype, writable: false });
    replace(FixedDate, "now", () => now);
    replace(FixedDate, "parse", RealDate.parse);
    replace(FixedDate, "UTC", RealDate.UTC);
    replace(RealDate.prototype, "constructor", FixedDate);
    replace(globalThis, "Date", FixedDate);
    const formats = Intl.DateTimeFormat.prototype;
    const formatOf = bound(getOwnPropertyDescriptor(formats, "format").get);
    defineProperty(formats, "format", {
      get() {
        const format = formatOf(this);
        return (date) => format(date === undefined ? now : date);
      },
      configurable: true,
    });
    const parts = bound(formats.formatToParts);
    replace(formats, "formatToParts", function formatToParts(date) {
      return parts(this, date === undefined ? now : date);
    });
  };
  let still = false;
  const deterministic = (seed, now) => {
    state = seed | 0;
    if (seed !== undefined) replace(Math, "random", seeded);
    if (now !== undefined && !still) {
      standStill(now);
      still = true;
    }
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

  // The path of an integer that a number cannot hold; called only where the text has such a run of digits.

  const pathOf = (value, wanted, path) => {
    if (value === wanted) return path;
    if (typeof value !== "object" || value === null) return null;
    for (const key of ownKeys(value)) {
      if (isArray(value) && key === "length") continue;
      const found = pathOf(value[key], wanted, path + (isArray(value) ? `[${key}]` : `.${toText(key)}`));
      if (found !== null) return found;
    }
    return null;
  };
  const unsafe = (text, path) => {
    const marker = { __proto__: null };
    let found = false;
    const value = parse(text, (_key, item, context) => {
      if (found || typeof item !== "number" || abs(item) < 9007199254740992 || !match(/^-?[0-9]+$/, context.source)) {
        return item;
      }
      found = true;
      return marker;
    });
    return found ? pathOf(value, marker, path) : null;
  };
  const unsafeInteger = (text, format) => {
    if (format === JSON_TEXT) return unsafe(text, "$") ?? "";
    let index = 0, found = null;
    eachLine(text, (content) => {
      found ??= unsafe(content, `$[${index}]`);
      index++;
    });
    return found ?? "";
  };

  // Answers.

  const SLICE = 4096;
  const tooLong = { __proto__: null };
  const arrayText = (list, most) => {
    let text = "[";
    for (let begin = 0; begin < list.length; begin += SLICE) {
      const part = [];
      for (let i = begin; i < begin + SLICE && i < list.length; i++) part[part.length] = list[i];
      const content = stringify(part);
      text += (begin ? "," : "") + cut(content, 1, -1);
      if (text.length > most) throw tooLong;
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
    else text = many && value.length > SLICE ? arrayText(value, most) : stringify(value);
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

  // Which record made it throw: the first one with which it throws the same, and without which it does not. Called in
  // a fresh isolate after a throw, under a limit of its own.

  const copyOf = (input, format) => {
    const records = read(input, format);
    if (format !== VALUE) return records;
    const copies = [];
    for (let i = 0; i < records.length; i++) copies[i] = { ...records[i] };
    return copies;
  };
  const throwsSame = (script, input, format, count, message) => {
    const records = copyOf(input, format);
    records.length = count;
    try {
      script(records);
    } catch (thrown) {
      return describe(thrown).message === message;
    }
    return false;
  };
  const lastRead = (script, input, format) => {
    let last = -1;
    const watched = new ProxyOf(copyOf(input, format), {
      __proto__: null,
      get: (target, key) => {
        if (typeof key === "string" && isInteger(+key) && hasValue(target, key)) last = +key;
        return getValue(target, key);
      },
    });
    try {
      script(watched);
    } catch {
      return last;
    }
    return -1;
  };
  const locate = (script, input, format, message) => {
    const records = copyOf(input, format);
    if (!isArray(records) || records.length === 0) return -1;
    let low = 0, high = records.length;
    const guess = lastRead(script, input, format);
    if (guess >= 0 && throwsSame(script, input, format, guess + 1, message)) {
      high = guess + 1;
      if (!throwsSame(script, input, format, guess, message)) return guess;
    } else if (!throwsSame(script, input, format, high, message)) return -1;
    if (throwsSame(script, input, format, 0, message)) return -1;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (throwsSame(script, input, format, middle, message)) high = middle;
      else low = middle;
    }
    return low;
  };

  // Until the first call the console takes what the script says while it is read.
  let first = true;
  begin(FIRST_CONSOLE_LIMIT);
  const operations = [
    (script, input, format, answer, most, consoleLimit) => {
      if (first) limit = consoleLimit;
      else begin(consoleLimit);
      first = false;
      return execute(script, input, format, answer, most);
    },
    report,
    () => output,
    (script, input, format, message) => locate(script, input, format, message),
    (script, input, format) => unsafeInteger(input, format),
    (seed, now) => deterministic(seed, now),
  ];
  setPrototypeOf(operations, null);
  return (operation, a, b, c, d, e, f) => operations[operation](a, b, c, d, e, f);
})()
//# sourceURL=quilate-prelude
