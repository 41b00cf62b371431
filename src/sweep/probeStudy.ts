/** The runs of `rhm reproduce probes` and `representation`: networks whose hidden layers are measured at every evaluation, one pass over fresh sentences. */
import { parseExperiment } from '../core/experiment.js';
import type { GrammarShape } from '../core/rules.js';
import { grammarOf, type Scale, size } from './plannedGrammars.js';
import type { PlannedRun } from './reproduce.js';

interface ProbeBlock {
  shapes: readonly GrammarShape[];
  grammars: number;
  testSize: number;
  networks: readonly {
    model: { kind: string; [field: string]: unknown };
    optimiser: Record<string, unknown>;
    batch: number;
    samples: number; // P of a run
  }[];
}

const blocks: Record<Scale, ProbeBlock> = {
  quick: {
    shapes: [size(8, 3, 3), size(16, 4, 3)],
    grammars: 2,
    testSize: 2048,
    networks: [
      { model: { kind: 'hcnn', width: 64 }, optimiser: { kind: 'sgd', rate: 1 }, batch: 32, samples: 2 ** 19 },
      {
        model: { kind: 'mla', channels: 64, heads: 8 },
        optimiser: { kind: 'adamw', rate: 2e-3 },
        batch: 32,
        samples: 2 ** 18,
      },
    ],
  },
  paper: {
    shapes: [size(16, 2, 4), size(16, 4, 4)],
    grammars: 4,
    testSize: 16384,
    networks: [
      { model: { kind: 'hcnn', width: 512 }, optimiser: { kind: 'sgd', rate: 1 }, batch: 128, samples: 2 ** 22 },
      {
        model: { kind: 'mla', channels: 256, heads: 16 },
        optimiser: { kind: 'adamw', rate: 1e-3 },
        batch: 128,
        samples: 2 ** 24,
      },
    ],
  },
};

export const probeRuns = (scale: Scale): PlannedRun[] => measuredRuns(scale, 'probed', ['probes']);

export const representationRuns = (scale: Scale): PlannedRun[] =>
  measuredRuns(scale, 'in four measures', ['invariance', 'readout', 'gdv', 'alignment']);

/** how: end of the network's name. */
function measuredRuns(scale: Scale, how: string, measures: readonly string[]): PlannedRun[] {
  const { shapes, grammars, testSize, networks } = blocks[scale];
  return networks.flatMap(({ model, optimiser, batch, samples }) =>
    shapes.flatMap((shape) =>
      Array.from({ length: grammars }, (_, index): PlannedRun => {
        const { seed } = grammarOf(shape, index);
        const experiment = parseExperiment({
          ...{ model, optimiser, seed, measures },
          grammar: { ...shape, seed },
          budget: { batch, steps: samples / batch },
          evaluation: { size: testSize, perDoubling: 2 },
        });
        const { v, m, s, L } = shape;
        return { name: `${model.kind} ${how} v=${v} m=${m} s=${s} L=${L}, grammar ${index + 1}`, experiment };
      }),
    ),
  );
}
