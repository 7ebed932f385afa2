// Columns become plain objects, and plain objects columns, inside the isolate. Evaluated before any script, this file
// keeps the built-ins that it needs, so that a script that changes them changes only its own view of the world.
// `columns.py` writes one function for each shape of rows, because under --jitless a literal such as {"a":c0[i]} is
// built three times as fast as JSON.parse builds it, and evaluates it from outside, where code may still be generated.
(() => {
  "use strict";
  const bind = Function.prototype.bind;
  const uncurry = bind.bind(Function.prototype.call);
  const split = uncurry(String.prototype.split);
  const slice = uncurry(Array.prototype.slice);
  const join = uncurry(Array.prototype.join);
  const mapGet = uncurry(Map.prototype.get);
  const mapSet = uncurry(Map.prototype.set);
  const fill = uncurry(Uint8Array.prototype.fill);
  const put = uncurry(Uint8Array.prototype.set);
  const { keys, create, defineProperty } = Object;
  const { isArray } = Array;
  const { parse, stringify } = JSON;
  const Table = Map;
  const Bytes = Uint8Array;
  const Indexes = Int32Array;
  const Doubles = Float64Array;
  const Memory = ArrayBuffer;

  const DEEPEST = 64;
  const WORTH_A_FUNCTION = 32;
  const OUTPUT = "output";

  // ---- into the isolate

  // The memory is used again by the next batch: rows hold values, never views.
  let memory = null;
  const builders = [];
  const allocate = (size) => (memory = new Memory(size));
  const build = (factory) => {
    builders[builders.length] = factory(helpers);
    return builders.length - 1;
  };
  const read = (number, meta, text) => {
    forget();
    return builders[number](memory, parse(meta), text);
  };
  const append = (rows, more) => {
    let n = rows.length;
    for (let i = 0; i < more.length; i++) rows[n++] = more[i];
    return n;
  };

  // ---- out of the isolate

  class Refused {
    constructor(message, record) {
      this.message = message;
      this.record = record;
    }
  }
  const refuse = (message, record) => {
    throw new Refused(message, record);
  };

  const miss = (bits, n, i) => {
    if (bits === null) bits = fill(new Bytes((n + 7) >> 3), 255);
    bits[i >> 3] &= ~(1 << (i & 7));
    return bits;
  };

  // Typed arrays go into one piece of memory, texts into one text; a description says where each lies.
  let parts = [];
  let size = 0;
  let words = [];
  const keep = (part) => {
    const at = size;
    parts[parts.length] = { at, part };
    size += part.byteLength;
    size += -size & 7;
    return at;
  };
  const keepTexts = (texts) => {
    const at = words.length;
    for (let i = 0, n = texts.length; i < n; i++) words[at + i] = texts[i];
    return at;
  };

  const described = (kind, n, raw) => {
    const node = { kind, n, nulls: raw.nulls };
    if (raw.nulls > 0) node.validity = keep(raw.bits);
    return node;
  };
  const describeNumbers = (n, raw) => {
    const node = described("number", n, raw);
    node.values = keep(raw.values);
    return node;
  };
  const describeTexts = (n, raw) => {
    const node = described("text", n, raw);
    node.texts = keepTexts(raw.values);
    return node;
  };
  const describeTable = (n, raw) => {
    const node = described("text", n, raw);
    if (raw.words.length === 0) raw.words[0] = "";
    node.values = keep(raw.values);
    node.texts = keepTexts(raw.words);
    node.words = raw.words.length;
    return node;
  };
  const describeBits = (n, raw) => {
    const node = described("boolean", n, raw);
    node.values = keep(raw.values);
    return node;
  };

  const describers = { __proto__: null, n: describeNumbers, s: describeTexts, t: describeTable, b: describeBits };

  const kindOf = (value) => {
    switch (typeof value) {
      case "number":
      case "string":
      case "boolean":
      case "bigint":
        return typeof value;
      case "object":
        return value === null ? "null" : isArray(value) ? "array" : "object";
      default:
        return "null";
    }
  };
  const WORDS = { number: "a number", string: "a text", boolean: "a boolean", array: "an array", object: "an object" };

  // What JSON.stringify would make of it, as far as one value goes: dates become texts.
  const plain = (value, key) => {
    if (typeof value === "object" && value !== null && typeof value.toJSON === "function") return value.toJSON(key);
    return value;
  };

  const classify = (values, n, name, depth) => {
    let kind = "null";
    let first = 0;
    let nulls = 0;
    let bits = null;
    const kept = [];
    for (let i = 0; i < n; i++) {
      const value = plain(values[i], name);
      const found = kindOf(value);
      kept[i] = value;
      if (found === "null") {
        bits = miss(bits, n, i);
        nulls++;
        kept[i] = null;
      } else if (found === "bigint") {
        refuse(`the field ${stringify(name)} is a BigInt, which has no place in a result: make it a text`, i);
      } else if (kind === "null") {
        kind = found;
        first = i;
      } else if (kind !== found) {
        const between = `${WORDS[kind]} in record ${first} and ${WORDS[found]} in record ${i}`;
        refuse(`the field ${stringify(name)} is ${between}: a column has one type`, i);
      }
    }
    return describeKept(kind, n, { values: kept, nulls, bits }, name, depth);
  };

  const describeKept = (kind, n, raw, name, depth) => {
    if (depth > DEEPEST) refuse(`the field ${stringify(name)} is nested deeper than ${DEEPEST} levels, or in a circle`, 0);
    switch (kind) {
      case "number": {
        const values = new Doubles(n);
        for (let i = 0; i < n; i++) if (raw.values[i] !== null) values[i] = raw.values[i];
        return describeNumbers(n, { values, nulls: raw.nulls, bits: raw.bits });
      }
      case "string":
        for (let i = 0; i < n; i++) if (raw.values[i] === null) raw.values[i] = "";
        return describeTexts(n, raw);
      case "boolean": {
        const values = new Bytes((n + 7) >> 3);
        for (let i = 0; i < n; i++) if (raw.values[i]) values[i >> 3] |= 1 << (i & 7);
        return describeBits(n, { values, nulls: raw.nulls, bits: raw.bits });
      }
      case "array":
        return describeArrays(n, raw, name, depth);
      case "object":
        return describeObjects(raw.values, n, raw, depth);
      default:
        return { kind: "null", n, nulls: n };
    }
  };

  const describeArrays = (n, raw, name, depth) => {
    const node = described("list", n, raw);
    const offsets = new Indexes(n + 1);
    const items = [];
    let count = 0;
    for (let i = 0; i < n; i++) {
      const list = raw.values[i];
      if (list !== null) for (let j = 0; j < list.length; j++) items[count++] = list[j];
      offsets[i + 1] = count;
    }
    node.offsets = keep(offsets);
    node.items = classify(items, count, name, depth + 1);
    return node;
  };

  // Functions written by columns.py for one set of names and kinds; `wanted` tells it which would have been used. Each is
  // there twice: the first keeps texts in tables, and gives `undefined` where they are too different for that.
  const extractors = new Table();
  let wanted = [];
  const learn = (signature, factory) => {
    mapSet(extractors, signature, factory(helpers));
    return 0;
  };
  const LETTERS = { number: "n", string: "s", boolean: "b", array: "o", object: "o", null: "o", bigint: "o" };
  const signatureOf = (row, names) => {
    const signature = [];
    for (let k = 0; k < names.length; k++) signature[k] = [names[k], LETTERS[kindOf(row[names[k]])]];
    return stringify(signature);
  };

  const extract = (rows, n) => {
    const row = rows[0];
    if (n < WORTH_A_FUNCTION || row === null || typeof row.toJSON === "function") return null;
    const signature = signatureOf(row, keys(row));
    const known = mapGet(extractors, signature);
    if (known === undefined) {
      wanted[wanted.length] = signature;
      return null;
    }
    const found = known.now(rows, n);
    if (found !== undefined) return found;
    known.now = known.plain;
    return known.plain(rows, n);
  };

  const describeObjects = (rows, n, raw, depth) => {
    const node = described("struct", n, raw);
    const found = extract(rows, n);
    if (found === null) return gather(node, rows, n, depth);
    node.names = found.names;
    node.children = [];
    for (let k = 0; k < found.names.length; k++) {
      const column = found.columns[k];
      const describe = describers[column.letter];
      if (describe === undefined) node.children[k] = classify(column.values, n, found.names[k], depth + 1);
      else node.children[k] = describe(n, column);
    }
    return node;
  };

  const gather = (node, rows, n, depth) => {
    const places = create(null);
    const names = [];
    const columns = [];
    for (let i = 0; i < n; i++) {
      const row = rows[i];
      if (row === null) continue;
      const own = keys(row);
      for (let k = 0; k < own.length; k++) {
        const name = own[k];
        let place = places[name];
        if (place === undefined) {
          place = names.length;
          defineProperty(places, name, { value: place });
          names[place] = name;
          columns[place] = [];
        }
        const column = columns[place];
        while (column.length < i) column[column.length] = null;
        column[i] = row[name];
      }
    }
    node.names = names;
    node.children = [];
    for (let k = 0; k < names.length; k++) {
      while (columns[k].length < n) columns[k][columns[k].length] = null;
      node.children[k] = classify(columns[k], n, names[k], depth + 1);
    }
    return node;
  };

  const describeRows = (result) => {
    const rows = kindOf(result) === "object" ? [result] : result;
    if (!isArray(rows)) refuse(`the result is ${WORDS[kindOf(rows)] || "nothing"}: columns need an array of objects`, 0);
    const n = rows.length;
    for (let i = 0; i < n; i++) {
      const row = rows[i];
      if (typeof row !== "object" || row === null || isArray(row)) {
        refuse(`the result's record ${i} is ${WORDS[kindOf(row)] || "null"}: columns need objects`, i);
      }
      if (typeof row.toJSON === "function") refuse(`the result's record ${i} is no plain object`, i);
    }
    return describeObjects(rows, n, { nulls: 0, bits: null }, 0);
  };

  // Returns the description and, after separators, all texts; `output` gives the memory, which is used again as long as
  // it is large enough. The last argument is the longest result that is wanted.
  let collected = null;
  let capacity = 0;
  const write = (rows, most) => {
    parts = [];
    size = 0;
    words = [];
    wanted = [];
    try {
      const node = describeRows(rows);
      if (size > most) refuse(OUTPUT, 0);
      const fresh = collect();
      const description = stringify({ node, wanted, words: words.length, fresh });
      return words.length > 0 ? description + "\0" + join(words, "\0") : description;
    } catch (error) {
      if (error instanceof Refused) return stringify({ refused: error.message, record: error.record });
      throw error;
    } finally {
      parts = [];
    }
  };
  const collect = () => {
    const fresh = collected === null || capacity < size;
    if (fresh) {
      capacity = size + (size >> 2) + 64;
      collected = new Memory(capacity);
    }
    const all = new Bytes(collected);
    for (let i = 0; i < parts.length; i++) put(all, new Bytes(parts[i].part.buffer), parts[i].at);
    return fresh;
  };
  const output = () => collected;
  // For texts that hold the separator themselves.
  const quoted = () => stringify(words);
  const forget = () => {
    words = [];
  };

  const arrays = { Int8Array, Int16Array, Int32Array, Uint8Array, Uint16Array, Uint32Array, Float32Array, Float64Array };
  const helpers = { split, slice, parse, keys, create, miss, ...arrays };
  const actions = { allocate, build, read, append, write, output, quoted, learn };
  return (action, first, second, third) => actions[action](first, second, third);
})()
