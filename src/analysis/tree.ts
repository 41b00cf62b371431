/** The tree found from token pairs of P sentences, at several P. */
import type { Rules } from '../core/rules.js';
import { sentenceLength } from '../core/rules.js';
import { inOrder } from '../core/shuffle.js';
import { streamKey } from '../core/threefry.js';
import { createSampler } from '../grammar/sampler.js';
import { type FoundTree, findTree, isTrueLevel, PairCounts } from '../theory/index.js';

export interface TreeOptions {
  sentences: readonly number[]; // P, in any order
  seed?: number; // of the sentences
  order?: Uint32Array; // of the positions; default: that of the tree
}

export interface TreePoint {
  sentences: number;
  tree: FoundTree;
  right: boolean[]; // by level, 1 .. L
}

const CHUNK = 4096;

/** Sentences are fresh; the first P sentences of a seed are the same for every larger P. */
export async function treeCurve(rules: Rules, { sentences, seed = 0, order }: TreeOptions): Promise<TreePoint[]> {
  const d = sentenceLength(rules);
  const places = order ?? Uint32Array.from({ length: d }, (_, p) => p);
  const sampler = await createSampler(rules);
  const source = { mode: 'stream', key: streamKey(seed, 'data'), size: 0n, first: 0, length: 0 } as const;
  const counts = new PairCounts(d, rules.v);
  const tokens = new Uint32Array(CHUNK * d);
  return [...new Set(sentences)]
    .sort((a, b) => a - b)
    .map((P) => {
      while (counts.sentences < P) {
        const rows = Math.min(CHUNK, P - counts.sentences);
        const part = tokens.subarray(0, rows * d);
        sampler.tokens(source, counts.sentences, rows, part);
        counts.add(order ? inOrder(part, order) : part, rows);
      }
      const tree = findTree(counts.information, rules.s, P);
      return { sentences: P, tree, right: tree.levels.map((groups) => isTrueLevel(groups, places)) };
    });
}
