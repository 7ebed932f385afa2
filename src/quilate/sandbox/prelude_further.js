// What few executions need, loaded only for them: the deterministic mode, the path of an integer that is too long, the
// record that made a script throw. Reading this text would take every isolate a quarter of a millisecond.
(operations, kept) => {
  "use strict";
  const { bound, parse, isArray, toText, match, read, eachLine, describe, VALUE, JSON_TEXT, abs, imul, isInteger } = kept;
  const { construct, defineProperty, getOwnPropertyDescriptor, ownKeys, getValue, hasValue, ProxyOf } = kept;

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

  operations[4] = (script, input, format, message) => locate(script, input, format, message);
  operations[5] = (script, input, format) => unsafeInteger(input, format);
  operations[6] = (seed, now) => deterministic(seed, now);
}
//# sourceURL=quilate-prelude-further
