// Regular expressions that take exponential time: a repetition whose body can read one text in several ways, followed by
// something that may fail. V8's linear engine takes over from most of them; it knows no backreferences, no lookahead, no
// counted repetition and none of the flags i, u and v.
//
// Source: Weideman et al., "Analyzing Matching Time Behavior of Backtracking Regular Expression Matchers by Using
// Ambiguity of NFA" (2016); of the ambiguity this looks for the two forms that people write: (a+)+ and (a|a)+.

const MANY = 16; // A repetition up to this often counts as bounded.
const MOST_PARTS = 400; // Of one expression; a longer one is not looked at.
const LINEAR_FLAGS = /^[dgmsy]*$/;

// The characters that stand for all: Latin-1 and a few of each wider kind.
const SAMPLE = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).concat(
  ["\u0100", "\u03b1", "\u0430", "\u0660", "\u4e00", "\u2028", "\u20ac", "\u{1f600}"],
);

// Returns null for a harmless expression, "linear" where the linear engine takes over, else "exponential".
function regexDanger(pattern, flags) {
  let parsed;
  try {
    parsed = new RegexReader(pattern, flags).read();
  } catch (error) {
    if (error instanceof UnreadableRegex) return null;
    throw error;
  }
  if (!isAmbiguous(parsed.root, false)) return null;
  return parsed.backtracks || !LINEAR_FLAGS.test(flags) ? "exponential" : "linear";
}

class UnreadableRegex extends Error {}

// Parts: {kind: "set", members} {kind: "empty", fails} {kind: "sequence", parts} {kind: "choice", parts}
// {kind: "repeat", part, least, most}. The syntax was checked before; what is not understood ends the reading.
class RegexReader {
  constructor(pattern, flags) {
    this.pattern = pattern;
    this.flags = flags.replace(/[gy]/g, "");
    this.index = 0;
    this.count = 0;
    this.backtracks = false;
    this.sets = new Map();
  }

  read() {
    const root = this.choice();
    if (this.index < this.pattern.length) throw new UnreadableRegex();
    return { root, backtracks: this.backtracks };
  }

  choice() {
    const parts = [this.sequence()];
    while (this.take("|")) parts.push(this.sequence());
    return parts.length === 1 ? parts[0] : { kind: "choice", parts };
  }

  sequence() {
    const parts = [];
    while (this.index < this.pattern.length && !"|)".includes(this.pattern[this.index])) parts.push(this.quantified());
    return { kind: "sequence", parts };
  }

  quantified() {
    if (++this.count > MOST_PARTS) throw new UnreadableRegex();
    const part = this.atom();
    const found = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/.exec(this.pattern.slice(this.index, this.index + 40));
    if (!found) return part;
    this.index += found[0].length;
    const [least, most] = bounds(found);
    if (found[1] !== undefined && most > MANY) this.backtracks = true;
    return { kind: "repeat", part, least, most };
  }

  atom() {
    const rest = this.pattern.slice(this.index, this.index + 4);
    if (rest.startsWith("(")) return this.group();
    if (rest.startsWith("[")) return this.characterSet(this.classText());
    if (rest.startsWith("^") || rest.startsWith("$") || rest.startsWith("\\b") || rest.startsWith("\\B")) {
      this.index += rest.startsWith("\\") ? 2 : 1;
      return { kind: "empty", fails: true };
    }
    if (/^\\(?:[1-9]|k<)/.test(rest)) return this.backreference();
    if (rest.startsWith("\\")) return this.characterSet(this.escapeText());
    const character = String.fromCodePoint(this.pattern.codePointAt(this.index));
    this.index += character.length;
    return this.characterSet(character);
  }

  group() {
    const head = /^\((?:\?(?:<[=!]|[=!]|:|<[^>]*>|[a-z]*(?:-[a-z]*)?:))?/.exec(this.pattern.slice(this.index))[0];
    this.index += head.length;
    const inner = this.choice();
    if (!this.take(")")) throw new UnreadableRegex();
    if (!/[=!]$/.test(head)) return inner;
    if (!head.includes("<")) this.backtracks = true;
    return { kind: "empty", fails: true, inner };
  }

  backreference() {
    const text = /^\\(?:[1-9]\d*|k<[^>]*>)/.exec(this.pattern.slice(this.index))[0];
    this.index += text.length;
    this.backtracks = true;
    return { kind: "empty", fails: true };
  }

  classText() {
    let depth = 0;
    for (let index = this.index; index < this.pattern.length; index++) {
      const character = this.pattern[index];
      if (character === "\\") index++;
      else if (character === "[" && (depth === 0 || this.flags.includes("v"))) depth++;
      else if (character === "]" && --depth === 0) {
        const text = this.pattern.slice(this.index, index + 1);
        this.index = index + 1;
        return text;
      }
    }
    throw new UnreadableRegex();
  }

  escapeText() {
    const forms = /^\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|[^])/;
    const found = forms.exec(this.pattern.slice(this.index, this.index + 80));
    if (!found) throw new UnreadableRegex();
    this.index += found[0].length;
    return found[0];
  }

  // One character that matches `text`: the engine itself is asked, which of the sample it takes.
  characterSet(text) {
    if (!this.sets.has(text)) {
      let test;
      try {
        test = new RegExp(`^(?:${text})$`, this.flags);
      } catch {
        throw new UnreadableRegex();
      }
      this.sets.set(text, new Set(SAMPLE.filter((character) => test.test(character))));
    }
    return { kind: "set", members: this.sets.get(text) };
  }

  take(character) {
    if (this.pattern[this.index] !== character) return false;
    this.index++;
    return true;
  }
}

function bounds([text, least, comma, most]) {
  if (least !== undefined) return [Number(least), comma ? (most ? Number(most) : Infinity) : Number(least)];
  return [text.startsWith("+") ? 1 : 0, text.startsWith("?") ? 1 : Infinity];
}

// `mayFail`: what follows the part may fail, which makes the engine try the other ways.
function isAmbiguous(part, mayFail) {
  switch (part.kind) {
    case "sequence": {
      let later = mayFail;
      for (let index = part.parts.length - 1; index >= 0; index--) {
        if (isAmbiguous(part.parts[index], later)) return true;
        later = later || !isNullable(part.parts[index]) || part.parts[index].fails === true;
      }
      return false;
    }
    case "choice":
      return part.parts.some((each) => isAmbiguous(each, mayFail));
    case "repeat":
      if (part.most > MANY && mayFail && readsInSeveralWays(part.part)) return true;
      return isAmbiguous(part.part, mayFail || part.most > 1);
    case "empty":
      return part.inner ? isAmbiguous(part.inner, true) : false;
    default:
      return false;
  }
}

// Whether the body of a repetition can read one text both in one turn and in two.
function readsInSeveralWays(body) {
  if (body.kind === "choice") {
    const firsts = body.parts.map(firstSet);
    for (let one = 0; one < firsts.length; one++) {
      for (let other = 0; other < one; other++) {
        if (overlap(firsts[one], firsts[other]) && readsTheSame(body.parts[one], body.parts[other])) return true;
      }
    }
    return body.parts.some(readsInSeveralWays);
  }
  const parts = body.kind === "sequence" ? body.parts : [body];
  if (parts.length === 1 && parts[0].kind !== "repeat" && parts[0] !== body) return readsInSeveralWays(parts[0]);
  return parts.some((part, index) => {
    if (part.kind !== "repeat" || part.most <= MANY) return false;
    const members = allMembers(part.part);
    const around = [...parts.slice(0, index), ...parts.slice(index + 1)];
    return around.every((other) => isNullable(other) || canBeReadAs(other, members));
  });
}

// Whether two branches can read the very same text; single characters do where they overlap, longer ones where both
// are repetitions, which is where people write it.
function readsTheSame(one, other) {
  const pieces = [one, other].map((part) => (part.kind === "sequence" ? part.parts : [part]));
  const [first, second] = pieces;
  if (first.length === second.length) {
    return first.every((part, index) => overlap(allMembers(part), allMembers(second[index])));
  }
  const longer = first.length > second.length ? first : second;
  const shorter = longer === first ? second : first;
  return shorter.length > 0 && shorter.every((part) => part.kind === "repeat" && part.most > MANY) &&
    longer.every((part) => isNullable(part) || overlap(allMembers(part), allMembers(shorter[0])));
}

function canBeReadAs(part, members) {
  switch (part.kind) {
    case "set":
      return overlap(part.members, members);
    case "sequence":
      return part.parts.every((each) => canBeReadAs(each, members));
    case "choice":
      return part.parts.some((each) => canBeReadAs(each, members));
    case "repeat":
      return part.least === 0 || canBeReadAs(part.part, members);
    default:
      return true;
  }
}

function isNullable(part) {
  switch (part.kind) {
    case "set":
      return false;
    case "sequence":
      return part.parts.every(isNullable);
    case "choice":
      return part.parts.some(isNullable);
    case "repeat":
      return part.least === 0 || isNullable(part.part);
    default:
      return true;
  }
}

function allMembers(part) {
  if (part.kind === "set") return part.members;
  const found = new Set();
  for (const each of part.parts ?? (part.part ? [part.part] : [])) for (const member of allMembers(each)) found.add(member);
  return found;
}

function firstSet(part) {
  if (part.kind === "sequence") {
    const found = new Set();
    for (const each of part.parts) {
      for (const member of firstSet(each)) found.add(member);
      if (!isNullable(each)) break;
    }
    return found;
  }
  if (part.kind === "choice") return new Set(part.parts.flatMap((each) => [...firstSet(each)]));
  if (part.kind === "repeat") return firstSet(part.part);
  return part.kind === "set" ? part.members : new Set();
}

function overlap(one, other) {
  for (const member of one) if (other.has(member)) return true;
  return false;
}
