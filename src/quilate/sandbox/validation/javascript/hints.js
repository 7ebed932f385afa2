// The name that was probably meant.

const MOST_HINTS = 20;

function nearestName(name, candidates) {
  if (name.length < 3) return null;
  let best = null;
  let least = name.length < 4 ? 1 : 2;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > 2 || candidate === name) continue;
    if (candidate.toLowerCase() === name.toLowerCase()) return candidate;
    const distance = editDistance(name, candidate);
    if (distance < least || (distance === least && best === null)) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}

function editDistance(one, other) {
  let before = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const replaced = before[column - 1] + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, before[column] + 1, current[column - 1] + 1));
    }
    before = current;
  }
  return before[other.length];
}

function namesInReach(scope, globals) {
  const found = new Set(globals);
  for (let each = scope; each; each = each.parent) for (const name of each.bindings.keys()) found.add(name);
  return found;
}
