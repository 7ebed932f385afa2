// Offsets in the source as line and column, both from 1, as V8 counts them: in UTF-16 code units, a line ending after
// CR LF, LF, CR, U+2028 or U+2029. A byte order mark at the begin takes no column.

class Positions {
  constructor(source) {
    this.begins = [0];
    const ends = /\r\n?|[\n\u2028\u2029]/g;
    while (ends.exec(source) !== null) this.begins.push(ends.lastIndex);
    this.mark = source.charCodeAt(0) === 0xfeff ? 1 : 0;
  }

  at(offset) {
    let low = 0;
    let high = this.begins.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.begins[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    const column = offset - this.begins[low] + 1 - (low === 0 ? this.mark : 0);
    return { line: low + 1, column: Math.max(1, column) };
  }
}
