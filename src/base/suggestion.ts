/** "Did you mean": the known name that is nearest to a wrong one. */

/** Names further apart than a third of their letters have nothing to do with each other. */
const DISTANCE_SHARE = 1 / 3;

/** A sentence to add to a cure, with its leading space; empty when no name is near. */
export function didYouMean(wrong: string, known: Iterable<string>): string {
  const best = nearest(wrong, known);
  return best === undefined ? "" : ` Did you mean "${best}"?`;
}

export function nearest(wrong: string, known: Iterable<string>): string | undefined {
  const text = wrong.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wrong.length * DISTANCE_SHARE)) + 1;
  for (const name of known) {
    const distance = editDistance(text, name.toLowerCase());
    if (distance >= bestDistance) continue;
    best = name;
    bestDistance = distance;
  }
  return best;
}

/** Inserted, removed, replaced and swapped neighbouring letters between two short names. */
export function editDistance(left: string, right: string): number {
  let twoAbove: number[] = [];
  let above = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const cost = left[i - 1] === right[j - 1] ? 0 : 1;
      let least = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + cost);
      const swapped = left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      if (swapped && i > 1 && j > 1) least = Math.min(least, (twoAbove[j - 2] ?? 0) + 1);
      row.push(least);
    }
    twoAbove = above;
    above = row;
  }
  return above[right.length] ?? 0;
}
