/** The runs of `rhm reproduce masked` and `denoising`: networks that predict masked tokens, one pass over fresh sentences. */
import { parseExperiment } from '../core/experiment.js';
import { modelFacts } from '../core/modelFacts.js';
import type { GrammarShape } from '../core/rules.js';
import { grammarOf, type Scale, size } from './plannedGrammars.js';
import type { PlannedRun } from './reproduce.js';

interface MaskedBlock {
  shapes: readonly GrammarShape[];
  grammars: number;
  batch: number;
  samples: number; // P of a run
  testSize: number;
  /** Model and optimiser of each network. */
  networks: readonly { model: { kind: string; [field: string]: unknown }; optimiser: Record<string, unknown> }[];
}

/** The components of an ordinary transformer besides attention: without them the loss at every place comes down late. */
const ordinary = { residual: true, norm: 'layer' };

const blocks: Record<Scale, MaskedBlock> = {
  quick: {
    shapes: [size(8, 2, 3), size(8, 3, 3)],
    grammars: 2,
    batch: 32,
    samples: 2 ** 18,
    testSize: 2048,
    networks: [
      { model: { kind: 'unet', width: 64 }, optimiser: { kind: 'sgd', rate: 1 } },
      {
        model: { kind: 'mla', channels: 32, heads: 4, ratio: 2, ...ordinary },
        optimiser: { kind: 'adamw', rate: 5e-3 },
      },
      { model: { kind: 'clm', channels: 32, heads: 4, ratio: 2 }, optimiser: { kind: 'adamw', rate: 5e-3 } },
    ],
  },
  paper: {
    shapes: [size(16, 2, 4), size(16, 4, 4)],
    grammars: 4,
    batch: 128,
    samples: 2 ** 23,
    testSize: 16384,
    networks: [
      { model: { kind: 'unet', width: 256 }, optimiser: { kind: 'sgd', rate: 1 } },
      {
        model: { kind: 'mla', channels: 256, heads: 16, ratio: 4, ...ordinary },
        optimiser: { kind: 'adamw', rate: 1e-3 },
      },
      { model: { kind: 'clm', channels: 256, heads: 16 }, optimiser: { kind: 'adamw', rate: 1e-3 } },
    ],
  },
};

/** One token of each sentence is masked, at a random place: this makes the steps of the loss farthest apart. */
export const maskedRuns = (scale: Scale): PlannedRun[] =>
  runsOf(scale, 'masked', ({ s, L }) => ({ task: { kind: 'mask', fraction: s ** -L } }));

/** Any number of tokens is masked, so that the networks can write whole sentences. */
export const denoisingRuns = (scale: Scale): PlannedRun[] =>
  runsOf(scale, 'denoising', () => ({ task: { kind: 'mask' }, measures: ['validity'] })).filter(
    ({ experiment }) => !modelFacts(experiment.model.kind).causal, // a decoder does not see the tokens that follow
  );

function runsOf(scale: Scale, what: string, fields: (shape: GrammarShape) => object): PlannedRun[] {
  const { shapes, grammars, batch, samples, testSize, networks } = blocks[scale];
  return networks.flatMap(({ model, optimiser }) =>
    shapes.flatMap((shape) =>
      Array.from({ length: grammars }, (_, index) => {
        const { seed } = grammarOf(shape, index);
        const experiment = parseExperiment({
          ...{ model, optimiser, seed },
          ...fields(shape),
          grammar: { ...shape, seed },
          budget: { batch, steps: samples / batch },
          evaluation: { size: testSize, perDoubling: 3 },
        });
        const { v, m, s, L } = shape;
        return { name: `${model.kind} ${what} v=${v} m=${m} s=${s} L=${L}, grammar ${index + 1}`, experiment };
      }),
    ),
  );
}
