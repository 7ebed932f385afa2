// Reads a script and returns what is wrong with it. The script is only ever a string here.

const MOST_FINDINGS = 100;

// Strict mode from the first character on, as the sandbox compiles it, without a line of our own in front: so columns
// are those of the script.
class StrictParser extends acorn.Parser {
  constructor(...given) {
    super(...given);
    this.strict = true;
  }
}

function process({ source, globals, needsCombine }) {
  const positions = new Positions(source);
  const found = new Map();
  const report = (rule, node, values) => {
    const start = node ? node.start : 0;
    const end = node ? node.end : 0;
    const key = `${rule} ${start}`;
    if (found.size < MOST_FINDINGS && !found.has(key)) found.set(key, { rule, start, end, values });
  };
  read(source, new Set(globals), needsCombine, report);
  const all = [...found.values()];
  const endless = all.some(({ rule }) => rule === "JS130"); // Which is why nothing is returned.
  return all
    .filter(({ rule }) => rule !== "JS013" || !endless)
    .sort((one, other) => one.start - other.start || (one.rule < other.rule ? -1 : 1))
    .map(({ rule, start, end, values }) => ({ rule, from: positions.at(start), to: positions.at(end), values }));
}

function read(source, globals, needsCombine, report) {
  let program;
  try {
    program = parse(source, report);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    reportSyntaxError(error, source, report);
    return;
  }
  try {
    const checker = new Checker(program, globals, report);
    checkEntryPoints(checker.scopes, checker.folding, needsCombine, report);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    report("JS003", null, {});
  }
}

function parse(source, report) {
  return StrictParser.parse(source, {
    ecmaVersion: "latest",
    sourceType: "script",
    allowHashBang: false,
    onComment(block, text, start, end) {
      if (block || source.startsWith("//", start)) return;
      report("JS141", { start, end }, {});
      // The sandbox writes a directive before the first line, so that --> does not begin a line there.
      const begins = source.startsWith("-->", start) && !/[\n\r\u2028\u2029]/.test(source.slice(0, start));
      if (begins) report("JS001", { start, end: start + 3 }, { detail: "Unexpected token" });
    },
  });
}

function reportSyntaxError(error, source, report) {
  const detail = error.message.replace(/ \(\d+:\d+\)$/, "");
  const place = { start: error.pos ?? 0, end: Math.min((error.pos ?? 0) + 1, source.length) };
  if (/Not enough stack/.test(detail)) report("JS003", place, {});
  else if (/'import' and 'export'|'import\.meta'|import\(\)/.test(detail)) report("JS103", place, { name: wordAt(source, place.start) });
  else if (/^'with'/.test(detail)) report("JS114", place, {});
  else report("JS001", place, { detail });
}

function wordAt(source, offset) {
  return /^\w*/.exec(source.slice(offset, offset + 20))[0] || "import";
}
