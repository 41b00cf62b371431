/**
 * The known name closest to a mistyped one, if it is close: at most a third of the letters differ, and none in names of fewer
 * than three.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.floor(name.length / 3) + 1;
  for (const candidate of known) {
    const d = distance(name.toLowerCase(), candidate.toLowerCase());
    if (d < bestDistance) {
      best = candidate;
      bestDistance = d;
    }
  }
  return best;
}

/** The known names closest to a mistyped one, closest first, at any distance: for lists of things that exist. */
export function nearestNames(name: string, known: readonly string[], count: number): string[] {
  const wanted = name.toLowerCase().slice(0, LONGEST);
  const best: { candidate: string; d: number }[] = [];
  for (const candidate of new Set(known)) {
    const other = candidate.toLowerCase().slice(0, LONGEST);
    const worst = best.length < count ? Number.POSITIVE_INFINITY : best[best.length - 1].d;
    if (Math.abs(other.length - wanted.length) > worst) continue;
    const d = other.startsWith(wanted) ? 0 : distance(wanted, other);
    if (d >= worst) continue;
    best.splice(best.length < count ? best.length : count - 1, 1, { candidate, d });
    best.sort((a, b) => a.d - b.d);
  }
  return best.map(({ candidate }) => candidate);
}

const LONGEST = 64; // characters compared

/** Edits of one letter (or swaps of two neighbours) from a to b: optimal string alignment. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + Number(a[i - 1] !== b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    before = row;
    row = next;
  }
  return row[b.length];
}

/**
 * The known dotted name closest to a mistyped one, compared with the whole name or with its last part, so that `widht` and
 * `width` both lead to `model.width`.
 */
export function nearestField(name: string, known: readonly string[]): string | undefined {
  return nearest(name, known) ?? nearestByLastPart(name, known);
}

/** The same by the last part alone: for a field in the wrong section. */
export function nearestByLastPart(name: string, known: readonly string[]): string | undefined {
  const lastPart = (field: string) => field.slice(field.lastIndexOf('.') + 1);
  const last = nearest(lastPart(name), known.map(lastPart));
  return last === undefined ? undefined : known.find((field) => lastPart(field) === last);
}
