// Runs once in each new machine before any script: takes away what is not on the list, brings console and random
// numbers, and gives back the functions that the host calls. What it needs later it keeps now, since a script may
// change every object that it can reach.
(() => {
  const call = Function.prototype.call.bind.bind(Function.prototype.call);
  const { parse, stringify } = JSON;
  const { defineProperty, getOwnPropertyNames } = Object;
  const { isArray } = Array;
  const { isSafeInteger } = Number;
  const toText = String;
  const imul = Math.imul;
  const then = call(Promise.prototype.then);
  const charCode = call(String.prototype.charCodeAt);
  const find = call(String.prototype.indexOf);
  const slice = call(String.prototype.slice);
  const match = call(RegExp.prototype.exec);
  const isAnError = call(Function.prototype[Symbol.hasInstance]);
  const get = Reflect.get;
  const has = Reflect.has;
  const keys = Reflect.ownKeys;
  const ProxyOf = Proxy;
  const PromiseOf = Promise;
  const RangeErrorOf = RangeError;
  const SyntaxErrorOf = SyntaxError;
  const EngineError = InternalError;

  // What the host reads from memory, even where the script was stopped in the middle: 8 words, then console text.
  const PHASE = 0, RECORD = 1, CONSOLE_LENGTH = 2, CONSOLE_CUT = 3, CONSOLE_LIMIT = 4, LINE = 5;
  const READING = 1, RUNNING = 2, ANSWERING = 3;
  const report = new ArrayBuffer(32 + /*CONSOLE_BYTES*/0);
  const words = new Int32Array(report, 0, 8);
  const text = new Uint8Array(report, 32);

  const allowed = { __proto__: null };
  const listed = [/*ALLOWED*/];
  for (let i = 0; i < listed.length; i++) allowed[listed[i]] = true;
  const names = getOwnPropertyNames(globalThis);
  for (let i = 0; i < names.length; i++) if (!allowed[names[i]]) delete globalThis[names[i]];

  // Console: UTF-8 with a zero byte after each line.

  const put = (byte) => {
    text[words[CONSOLE_LENGTH]++] = byte;
  };
  const write = (line) => {
    const limit = words[CONSOLE_LIMIT];
    for (let i = 0; i < line.length; i++) {
      let code = charCode(line, i);
      if (code >= 0xd800 && code < 0xdc00 && i + 1 < line.length) {
        const low = charCode(line, i + 1);
        if (low >= 0xdc00 && low < 0xe000) {
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          i++;
        }
      }
      if (code === 0 || (code >= 0xd800 && code < 0xe000)) code = 0xfffd;
      const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      if (words[CONSOLE_LENGTH] + size >= limit) {
        words[CONSOLE_CUT] = 1;
        break;
      }
      if (size === 1) put(code);
      else {
        put(size === 2 ? 0xc0 | (code >> 6) : size === 3 ? 0xe0 | (code >> 12) : 0xf0 | (code >> 18));
        if (size === 4) put(0x80 | ((code >> 12) & 0x3f));
        if (size >= 3) put(0x80 | ((code >> 6) & 0x3f));
        put(0x80 | (code & 0x3f));
      }
    }
    put(0);
  };
  const show = (value) => {
    if (typeof value === "string") return value;
    if (typeof value === "object" && value !== null && !isAnError(Error, value)) {
      try {
        return stringify(value);
      } catch {
        return "[object]";
      }
    }
    return toText(value);
  };
  const log = (...values) => {
    if (words[CONSOLE_CUT] || words[CONSOLE_LENGTH] >= words[CONSOLE_LIMIT]) {
      words[CONSOLE_CUT] = 1;
      return;
    }
    let line = "";
    for (let i = 0; i < values.length; i++) line += (i ? " " : "") + show(values[i]);
    write(line);
  };
  defineProperty(globalThis, "console", {
    value: { log, info: log, warn: log, error: log, debug: log }, writable: true, enumerable: false, configurable: true,
  });

  // Random numbers: mulberry32, as the default engine in its deterministic mode.

  let state = 0;
  defineProperty(Math, "random", {
    value: function random() {
      state = (state + 0x6d2b79f5) | 0;
      let t = imul(state ^ (state >>> 15), 1 | state);
      t = (t + imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    },
    writable: true, enumerable: false, configurable: true,
  });

  // Calls.

  const lines = (content) => {
    const records = [];
    let count = 0;
    for (let begin = 0, number = 1; begin < content.length; number++) {
      let end = find(content, "\n", begin);
      if (end < 0) end = content.length;
      const line = slice(content, begin, end);
      words[LINE] = number;
      if (match(/[^ \t\r]/, line)) defineProperty(records, count++, { value: parse(line), ...ordinary });
      begin = end + 1;
    }
    words[LINE] = 0;
    return records;
  };
  const ordinary = { __proto__: null, writable: true, enumerable: true, configurable: true };

  // A copy of the input that says which record is being read: used only after a throw, in a second run.
  const watched = (records) => {
    const seen = (index) => {
      words[RECORD] = index + 1;
    };
    const copies = [];
    for (let i = 0; i < records.length; i++) {
      const record = records[i];
      const copy = typeof record !== "object" || record === null ? record : new ProxyOf(record, {
        __proto__: null,
        get: (target, key) => (seen(i), get(target, key)),
        has: (target, key) => (seen(i), has(target, key)),
        ownKeys: (target) => (seen(i), keys(target)),
      });
      defineProperty(copies, i, { value: copy, ...ordinary });
    }
    return new ProxyOf(copies, {
      __proto__: null,
      get: (target, key) => {
        const index = typeof key === "string" ? +key : -1;
        if (isSafeInteger(index) && index >= 0 && index < target.length) seen(index);
        return get(target, key);
      },
    });
  };
  const answer = (value, format) => {
    if (format !== "ndjson" || !isArray(value)) {
      const result = stringify(value);
      return format === "ndjson" && result !== undefined ? result + "\n" : result;
    }
    let result = "";
    for (let i = 0; i < value.length; i++) {
      const line = stringify(value[i]);
      result += (line === undefined ? "null" : line) + "\n";
    }
    return result;
  };

  return {
    report,
    begin: (seed, consoleLimit) => {
      state = seed | 0;
      words[PHASE] = words[RECORD] = words[CONSOLE_LENGTH] = words[CONSOLE_CUT] = words[LINE] = 0;
      words[CONSOLE_LIMIT] = consoleLimit;
    },
    clear: () => {
      words[PHASE] = words[RECORD] = words[CONSOLE_LENGTH] = words[CONSOLE_CUT] = words[LINE] = 0;
    },
    run: (script, content, format, answerFormat, watch) => {
      words[PHASE] = READING;
      let input = format === "ndjson" ? lines(content) : parse(content);
      if (watch && isArray(input)) input = watched(input);
      words[PHASE] = RUNNING;
      const value = script(input);
      words[PHASE] = ANSWERING;
      if (isAnError(PromiseOf, value)) {
        then(value, undefined, () => {});
        return 1;
      }
      const result = answer(value, answerFormat);
      return result === undefined ? 2 : result;
    },
    isFunction: (value) => typeof value === "function",
    // Runs code of the script where it threw its own objects; the limits hold here too.
    describe: (thrown) => {
      let kind = "runtime";
      if (isAnError(EngineError, thrown) && thrown.message === "out of memory") kind = "memory";
      else if (isAnError(EngineError, thrown) && thrown.message === "string too long") kind = "memory";
      else if (isAnError(RangeErrorOf, thrown) && thrown.message === "Maximum call stack size exceeded") kind = "recursion";
      else if (isAnError(SyntaxErrorOf, thrown)) kind = "syntax";
      let stack = "";
      if (typeof thrown === "object" && thrown !== null && typeof thrown.stack === "string") stack = thrown.stack;
      return kind + "\0" + toText(thrown) + "\0" + stack;
    },
  };
})();
