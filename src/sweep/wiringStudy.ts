/**
 * The curves of `rhm reproduce wiring`: positions in an unknown order (`grammar.shuffle`), and networks that know the tree, find it
 * from token pairs, are wired along a wrong tree, or use none (arXiv:2308.13816).
 */
import { InputError } from '../core/errors.js';
import { parseExperiment } from '../core/experiment.js';
import { stepExcess } from '../theory/steps.js';
import { membersOf } from '../training/members.js';
import { wiringOf } from '../training/wiring.js';
import { grammarOf, type Scale, size } from './plannedGrammars.js';
import { curveSearch, LARGEST_PART, type PlannedSearch, type SearchBlock } from './plannedSearch.js';

interface WiringBlock extends SearchBlock {
  model: 'hcnn' | 'hlcn' | 'mla';
  words: string; // words of the name
  steps: readonly number[];
  grammars: number;
  to?: number;
}

const SHUFFLE = 1;

const wired = (kind: 'hcnn' | 'hlcn', width: number, wiring?: 'true' | 'learned') => ({
  model: kind,
  words: wiring === 'true' ? 'true tree' : wiring ? 'found tree' : 'as shown',
  settings: { model: { kind, width, ...(wiring && { wiring }) }, optimiser: { kind: 'sgd', rate: 1 } },
});
const attention = (channels: number, heads: number, rate: number) => ({
  model: 'mla' as const,
  words: 'as shown',
  settings: { model: { kind: 'mla', channels, heads }, optimiser: { kind: 'adamw', rate } },
});

const quick = { shape: size(8, 2, 4), batch: 32, grammars: 3 };
const paper = { batch: 32, grammars: 4, most: 2 ** 20, steps: [2, 3, 4] };

const blocks: Record<Scale, readonly WiringBlock[]> = {
  quick: [
    ...[wired('hcnn', 32, 'true'), wired('hcnn', 32, 'learned'), wired('hlcn', 32, 'learned'), wired('hcnn', 32)].map(
      (network) => ({ ...quick, ...network, most: 2 ** 15, steps: [2, 3] }),
    ),
    { ...quick, ...attention(32, 4, 5e-3), most: 2 ** 11, steps: [2] },
  ],
  paper: [size(16, 2, 4), size(16, 3, 4), size(16, 4, 4)].flatMap((shape) => [
    ...[
      wired('hcnn', 128, 'true'),
      wired('hcnn', 128, 'learned'),
      wired('hlcn', 128, 'learned'),
      wired('hcnn', 128),
    ].map((network) => ({ ...paper, shape, ...network })),
    { ...paper, shape, ...attention(128, 8, 1e-3), batch: 128, most: 2 ** 17, steps: [2, 3] },
  ]),
};

export function wiringSearches(scale: Scale): PlannedSearch[] {
  return blocks[scale].flatMap((block) =>
    Array.from({ length: block.grammars }, (_, index): PlannedSearch => {
      const { shape, steps, to = 2 ** 20, model, words } = block;
      const { seed, plateaus, sentences } = grammarOf(shape, index);
      const { v, m, s, L } = shape;
      const deepest = Math.max(...steps);
      const floor = plateaus[L];
      const stopLoss = floor + (deepest === L ? 0.2 * stepExcess(plateaus, L) : plateaus[deepest] - floor);
      const search: PlannedSearch = {
        name: `${model} in data, ${words}, v=${v} m=${m} s=${s} L=${L}, grammar ${index + 1}`,
        figure: 'wiring',
        model,
        m,
        steps,
        ...curveSearch(block, {
          ...{ scale, seed, stopLoss, to: Math.min(sentences * LARGEST_PART, to) },
          grammar: { shuffle: SHUFFLE },
        }),
      };
      return { ...search, from: firstWired(search) };
    }),
  );
}

/** The smallest P of a search, by factors of sqrt 2, whose sentences are enough to wire the network. */
function firstWired({ at, from, to }: PlannedSearch): number {
  for (let P = from; P < to; P *= Math.SQRT2) {
    try {
      wiringOf(membersOf(parseExperiment(at(Math.round(P))))[0]);
      return Math.round(P);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  return to;
}
