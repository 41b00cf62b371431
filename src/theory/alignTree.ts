/**
 * The order of positions inside the groups of a found tree. Mutual information does not reveal it, but the tables of pairs do: rules
 * are the same at every place, so the groups of a level are ordered so that their tables agree best with those of the group that
 * contains the last position.
 */
import type { FoundTree } from './findTree.js';
import type { PairCounts } from './pairs.js';

export interface AlignedTree {
  order: number[]; // positions from left to right; the last stays last
  /** By level, 1 .. L - 1: standard deviations by which the least certain group prefers its order. */
  margins: number[];
}

export function alignTree({ levels }: FoundTree, counts: PairCounts): AlignedTree {
  const { d, v, sentences } = counts;
  const tables = new Map<number, Float64Array>();
  const table = (p: number, q: number): Float64Array => {
    const known = tables.get(p * d + q) ?? counts.covariance(p, q);
    tables.set(p * d + q, known);
    return known;
  };
  const noise = 1 / (v * v * sentences); // variance of an entry
  let ordered: number[][] = Array.from({ length: d }, (_, p) => [p]);
  const margins: number[] = [];
  for (const groups of levels) {
    const childrenOf = (group: readonly number[]) => ordered.filter((child) => group.includes(child[0]));
    const withLast = groups.find((group) => group.includes(d - 1))!;
    // Children of the reference as found, with the one that contains the last position at the end.
    const isLast = (child: readonly number[]) => Number(child.includes(d - 1));
    const reference = childrenOf(withLast).sort((a, b) => isLast(a) - isLast(b));
    let least = Number.POSITIVE_INFINITY;
    ordered = groups.map((group) => {
      if (group === withLast) return reference.flat();
      const ways = permutations(childrenOf(group)).map((children) => ({
        children,
        ...agreement(children, reference, table),
      }));
      ways.sort((a, b) => b.score - a.score);
      const [best, second] = ways;
      // Standard deviation of the difference of two sums of products whose factors are both noisy.
      const deviation = Math.sqrt(2 * (noise * best.square + best.count * noise * noise));
      least = Math.min(least, (best.score - second.score) / deviation);
      return best.children.flat();
    });
    if (groups.length > 1) margins.push(least);
  }
  return { order: ordered[0], margins };
}

/** Sum over pairs of children, and over their positions, of the products of both tables; square: of the reference's entries. */
function agreement(
  children: readonly (readonly number[])[],
  reference: readonly (readonly number[])[],
  table: (p: number, q: number) => Float64Array,
): { score: number; square: number; count: number } {
  let [score, square, count] = [0, 0, 0];
  for (let i = 0; i < children.length; i++)
    for (let j = i + 1; j < children.length; j++)
      for (const [a, p] of children[i].entries())
        for (const [b, q] of children[j].entries()) {
          const own = table(p, q);
          const other = table(reference[i][a], reference[j][b]);
          for (let k = 0; k < own.length; k++) {
            score += own[k] * other[k];
            square += other[k] * other[k];
          }
          count += own.length;
        }
  return { score, square, count };
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((first, i) =>
    permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [first, ...rest]),
  );
}
