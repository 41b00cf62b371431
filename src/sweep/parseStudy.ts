/** The runs of `rhm reproduce parse`: every hidden symbol from P sentences, from labels alone and with the logic of the grammar. */
import { parseExperiment } from '../core/experiment.js';
import type { GrammarShape } from '../core/rules.js';
import { grammarOf, type Scale, size } from './plannedGrammars.js';
import type { PlannedRun } from './reproduce.js';

interface Network {
  model: { kind: string; [field: string]: unknown };
  optimiser: string;
  rates: readonly number[]; // each tried with and without logic, whose terms make steps larger: each is shown at its best rate
  steps: number; // for every run, at any P: long enough that labels alone gain nothing more
  grammars: number;
  doublings: readonly [number, number]; // P = batch * 2^k, first and last k
}

interface ParseBlock {
  shape: GrammarShape;
  batch: number;
  testSize: number;
  networks: readonly Network[];
}

const ordinary = { residual: true, norm: 'layer', ratio: 2 };
const logic = { parent: 1, tuple: 1, exclusive: 1 };

const blocks: Record<Scale, ParseBlock> = {
  quick: {
    shape: size(16, 4, 3),
    batch: 32,
    testSize: 512,
    networks: [
      {
        model: { kind: 'mla', channels: 32, heads: 4, ...ordinary },
        optimiser: 'adamw',
        ...{ rates: [1e-2, 2e-2, 4e-2], steps: 1500, grammars: 1, doublings: [3, 6] },
      },
      {
        model: { kind: 'hlcn', width: 64 },
        optimiser: 'sgd',
        ...{ rates: [8, 16], steps: 2000, grammars: 1, doublings: [1, 6] },
      },
      {
        model: { kind: 'hcnn', width: 64 },
        optimiser: 'sgd',
        ...{ rates: [8, 16, 24], steps: 2000, grammars: 2, doublings: [1, 6] },
      },
    ],
  },
  paper: {
    shape: size(16, 4, 4),
    batch: 128,
    testSize: 8192,
    networks: [
      {
        model: { kind: 'mla', channels: 128, heads: 8, ...ordinary },
        optimiser: 'adamw',
        ...{ rates: [2e-3, 4e-3, 8e-3], steps: 16384, grammars: 3, doublings: [0, 9] },
      },
      {
        model: { kind: 'hlcn', width: 256 },
        optimiser: 'sgd',
        ...{ rates: [4, 8, 16, 24], steps: 16384, grammars: 3, doublings: [0, 9] },
      },
      {
        model: { kind: 'hcnn', width: 256 },
        optimiser: 'sgd',
        ...{ rates: [4, 8, 16, 24], steps: 16384, grammars: 3, doublings: [0, 9] },
      },
    ],
  },
};

export function parseRuns(scale: Scale): PlannedRun[] {
  const { shape, batch, testSize, networks } = blocks[scale];
  const { v, m, s, L } = shape;
  return networks.flatMap(({ model, optimiser: kind, rates, steps, grammars, doublings: [first, last] }) =>
    Array.from({ length: grammars }, (_, index) =>
      product([undefined, logic], rates).flatMap(([own, rate]) =>
        Array.from({ length: last - first + 1 }, (_, i): PlannedRun => {
          const { seed } = grammarOf(shape, index);
          const sentences = batch * 2 ** (first + i);
          const experiment = parseExperiment({
            ...{
              model,
              optimiser: { kind, rate },
              seed,
              measures: ['parsing'],
              task: { kind: 'parse', ...(own && { logic: own }) },
            },
            grammar: { ...shape, seed },
            budget: { batch, steps, sentences },
            evaluation: { size: testSize, perDoubling: 1 },
          });
          const how = own ? 'parsing with logic' : 'parsing';
          const name = `${model.kind} ${how} v=${v} m=${m} s=${s} L=${L}, grammar ${index + 1}, rate ${rate}, P=${sentences}`;
          return { name, experiment };
        }),
      ),
    ).flat(),
  );
}

const product = <A, B>(a: readonly A[], b: readonly B[]): [A, B][] => a.flatMap((x) => b.map((y): [A, B] => [x, y]));
