/**
 * The runs of `rhm reproduce holdout`: networks on P sentences of a language from which pairs of rules are held out
 * (arXiv:2404.16367).
 */
import { parseExperiment } from '../core/experiment.js';
import type { Holdout } from '../core/holdout.js';
import type { GrammarShape } from '../core/rules.js';
import { grammarOf, type Scale, size } from './plannedGrammars.js';
import type { PlannedRun } from './reproduce.js';

interface HoldoutBlock {
  shape: GrammarShape;
  holdout: Holdout;
  sentences: readonly number[]; // P
  evaluation: Record<string, number>;
  networks: readonly {
    settings: { model: { kind: string; [field: string]: unknown }; [section: string]: unknown };
    grammars: number;
    batch: number;
    most: number; // optimiser steps of a run
  }[];
}

const powersOf2 = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => 2 ** (from + i));

const local = (width: number, grammars: number, most: number) =>
  (['hcnn', 'hlcn'] as const).map((kind) => ({
    settings: { model: { kind, width }, optimiser: { kind: 'sgd', rate: 1 } },
    ...{ grammars, batch: 32, most },
  }));
const attention = (
  channels: number,
  heads: number,
  rate: number,
  sizes: { grammars: number; batch: number; most: number },
) => {
  const optimiser = { kind: 'adamw', rate };
  return [
    { settings: { model: { kind: 'mla', channels, heads }, optimiser }, ...sizes },
    { settings: { model: { kind: 'clm', channels, heads, ratio: 2 }, optimiser, task: 'auto' }, ...sizes },
  ];
};

const quick = { evaluation: { size: 2048, validation: 1024, perDoubling: 2 } };

/** At the larger size transformers need more steps than the quick scale has. */
const blocks: Record<Scale, readonly HoldoutBlock[]> = {
  quick: [
    {
      ...quick,
      shape: size(8, 3, 3),
      holdout: { level: 3, fraction: 1 / 3 },
      sentences: powersOf2(10, 12),
      networks: [...local(32, 3, 8192), ...attention(32, 4, 5e-3, { grammars: 3, batch: 32, most: 4096 })],
    },
    {
      ...quick,
      shape: size(8, 3, 4),
      holdout: { level: 3, fraction: 1 / 3 },
      sentences: powersOf2(10, 14),
      networks: local(32, 3, 8192),
    },
  ],
  paper: ([2, 3, 4] as const).map((level) => ({
    shape: size(16, 4, 4),
    holdout: { level, fraction: 0.25 },
    sentences: powersOf2(9, 18),
    evaluation: { size: 16384, validation: 8192, perDoubling: 3 },
    networks: [...local(128, 3, 2 ** 19), ...attention(128, 8, 1e-3, { grammars: 3, batch: 128, most: 2 ** 16 })],
  })),
};

const PATIENCE = 2.5;

/** For a decoder, too, only the loss of the last token is evaluated, so that its best weights are the best for that. */
export const holdoutRuns = (scale: Scale): PlannedRun[] =>
  blocks[scale].flatMap(({ shape, holdout, sentences, evaluation, networks }) =>
    // The largest P first, so that the cores finish together.
    [...sentences].reverse().flatMap((P) =>
      [...networks].reverse().flatMap(({ settings, grammars, batch, most }) =>
        Array.from({ length: grammars }, (_, index): PlannedRun => {
          const { seed } = grammarOf(shape, index);
          const experiment = parseExperiment({
            ...{ ...settings, seed },
            grammar: { ...shape, seed, holdout },
            budget: { batch, sentences: P, patience: PATIENCE, steps: most },
            evaluation: { ...evaluation, ...(settings.task === 'auto' && { positions: 'last' }) },
            measures: ['holdout'],
          });
          const { v, m, s, L } = shape;
          const name = `${settings.model.kind} held out at level ${holdout.level}, v=${v} m=${m} s=${s} L=${L}, P=${P}, grammar ${index + 1}`;
          return { name, experiment };
        }),
      ),
    ),
  );
