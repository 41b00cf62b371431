import { InputError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { type GrammarShape, makeRules } from '../core/rules.js';
import { lossPlateaus } from '../theory/losses.js';

/** `quick`: minutes on two cores. `paper`: about an hour on one large GPU. */
export const scales = ['quick', 'paper'] as const;
export type Scale = (typeof scales)[number];

/** What the runs of a scale are for: names of figures of the report. */
export const figureNames = [
  'curves',
  'positions',
  'ratios',
  'excess',
  'scaling',
  'collapse',
  'invariance',
  'correlations',
  'sharing',
  'batch',
] as const;
export type FigureName = (typeof figureNames)[number];

export interface PlannedRun {
  name: string; // for people: `hcnn v=8 m=2 s=2 L=3, grammar 1`
  experiment: Experiment;
}

/** One block of runs: a model on grammars of one size. */
interface Block {
  model: 'hcnn' | 'mla' | 'hlcn';
  shape: GrammarShape;
  grammars: number;
  settings: Record<string, unknown>; // model, optimiser
  batch: number;
  samples: number; // P at which a run ends, unless it has learnt everything before
  testSize: number;
  perDoubling: number; // evaluations
  stop: number; // fraction of the last step that is left when a run ends
  measured: number; // grammars whose runs measure invariance too; costly where runs are small
  figures: readonly FigureName[];
}

const size = (v: number, m: number, L: number, n = v): GrammarShape => ({ v, n, m, s: 2, L });
const both: FigureName[] = ['curves', 'positions', 'ratios', 'excess', 'scaling', 'collapse', 'invariance'];

const smallHcnn = { model: { kind: 'hcnn', width: 64 }, optimiser: { kind: 'sgd', rate: 1 } };
const smallMla = { model: { kind: 'mla', channels: 32, heads: 4 }, optimiser: { kind: 'adamw', rate: 1e-2 } };
const quickBlock = { testSize: 2048, perDoubling: 3, stop: 0.4, measured: 2 };

/**
 * Settings found to show the effect in two minutes of one core. With two root symbols instead of v the last step is the
 * largest that it can be: the transformer takes it at P near 4e4 for m = 3 and 4e5 for m = 4, against 8e5 and more than 1e6 with
 * n = v. A run ends when it is past the middle of that step. The longest runs come first, so that the cores end together.
 */
const quick: Block[] = [
  ...(
    [
      [4, 2 ** 20, 3],
      [3, 2 ** 18, 5],
      [2, 2 ** 17, 5],
    ] as const
  ).map(
    ([m, samples, grammars]): Block => ({
      ...quickBlock,
      model: 'mla',
      shape: size(8, m, 3, 2),
      grammars,
      settings: smallMla,
      batch: 64,
      samples,
      figures: both,
    }),
  ),
  ...([4, 3, 2] as const).map(
    (m): Block => ({
      ...quickBlock,
      model: 'hcnn',
      shape: size(8, m, 3, 2),
      grammars: 5,
      settings: smallHcnn,
      batch: 32,
      samples: 2 ** 19,
      figures: [...both, 'correlations', 'sharing', 'batch'],
    }),
  ),
  ...([4, 3, 2] as const).map(
    (m): Block => ({
      ...quickBlock,
      model: 'hlcn',
      shape: size(8, m, 3, 2),
      grammars: 4,
      settings: { model: { kind: 'hlcn', width: 64 }, optimiser: { kind: 'sgd', rate: 1 } },
      batch: 32,
      samples: 2 ** 20,
      measured: 0,
      figures: ['sharing'],
    }),
  ),
  ...[4, 3, 2].flatMap((m) =>
    [2, 4, 8, 128].map(
      (batch): Block => ({
        ...quickBlock,
        model: 'hcnn',
        shape: size(8, m, 3, 2),
        grammars: 3,
        settings: smallHcnn,
        batch,
        samples: 2 ** (batch < 8 ? 15 : batch < 32 ? 17 : 19),
        measured: 0,
        figures: ['batch'],
      }),
    ),
  ),
];

const paperSizes = [size(16, 4, 4), size(16, 2, 4), size(32, 8, 4)] as const;
const paperBlock = { batch: 128, samples: 2 ** 24, testSize: 32768, perDoubling: 4, stop: 0.15 };
const hlcn = { model: { kind: 'hlcn', width: 512 }, optimiser: { kind: 'sgd', rate: 1 } };
const hcnn = { model: { kind: 'hcnn', width: 512 }, optimiser: { kind: 'sgd', rate: 1 } };
const mla = { model: { kind: 'mla', channels: 256, heads: 16 }, optimiser: { kind: 'adamw', rate: 1e-3 } };

/**
 * The sizes of the paper, 2^24 samples a run at most, what says most first: all CNNs, then transformers and locally connected
 * nets of v = 16 (m = 2 shows all four steps), then those of v = 32, which see no more than two steps in that time.
 */
const paper: Block[] = [
  ...paperSizes.map(
    (shape): Block => ({
      ...paperBlock,
      shape,
      model: 'hcnn',
      grammars: 8,
      measured: 8,
      settings: hcnn,
      figures: [...both, 'correlations', 'sharing', 'batch'],
    }),
  ),
  ...[paperSizes.slice(0, 2), paperSizes.slice(2)].flatMap((shapes) => [
    ...shapes.map(
      (shape): Block => ({
        ...paperBlock,
        shape,
        model: 'mla',
        grammars: 4,
        measured: 4,
        settings: mla,
        figures: shape.v === 16 ? [...both, 'batch'] : both,
      }),
    ),
    ...shapes.map(
      (shape): Block => ({
        ...paperBlock,
        shape,
        model: 'hlcn',
        grammars: 4,
        measured: 4,
        settings: hlcn,
        figures: ['sharing', 'invariance'],
      }),
    ),
  ]),
  // Batch 128 at rate 1 counts steps, not data: smaller batches tell how much. Too small ones are too hot for that rate.
  ...paperSizes.flatMap((shape) =>
    [8, 16, 32].map(
      (batch): Block => ({
        ...paperBlock,
        shape,
        model: 'hcnn',
        grammars: 4,
        measured: 0,
        settings: hcnn,
        batch,
        samples: 2 ** 17 * batch,
        figures: ['batch'],
      }),
    ),
  ),
  ...paperSizes.slice(0, 2).map(
    (shape): Block => ({
      ...paperBlock,
      shape,
      model: 'mla',
      grammars: 4,
      measured: 0,
      settings: mla,
      batch: 32,
      samples: 2 ** 22,
      figures: ['batch'],
    }),
  ),
];

const blocks: Record<Scale, Block[]> = { quick, paper };

/** Figures made when none is named: all but `batch`, whose runs say how much of a P_ell is data, and how much steps. */
export const defaultFigures: Record<Scale, readonly FigureName[]> = {
  quick: [...both, 'correlations'],
  paper: [...both, 'correlations', 'sharing'],
};

/**
 * The runs that figures need, each once, in the order in which they should be trained.
 * @throws InputError for an unknown figure, naming those there are.
 */
export function planReproduction(scale: Scale, figures: readonly string[] = []): PlannedRun[] {
  for (const name of figures)
    if (!(figureNames as readonly string[]).includes(name))
      throw new InputError(`figure: got ${name}; pass some of ${figureNames.join(', ')}, or none for the usual ones`);
  const wanted = figures.length ? figures : defaultFigures[scale];
  return blocks[scale]
    .filter((block) => block.figures.some((f) => wanted.includes(f)))
    .flatMap((block) => Array.from({ length: block.grammars }, (_, index) => plannedRun(block, index)));
}

function plannedRun(block: Block, index: number): PlannedRun {
  const { model, shape, settings, batch, samples, testSize, perDoubling, stop, measured, figures } = block;
  const { seed, floor, last } = grammarOf(shape, index);
  const experiment = parseExperiment({
    ...settings,
    grammar: { ...shape, seed },
    budget: { batch, steps: samples / batch, stopLoss: floor + stop * last },
    evaluation: { size: testSize, perDoubling },
    measures: index < measured ? ['invariance'] : [],
    seed,
  });
  const extra = figures.join() === 'batch' ? `, batch ${batch}` : '';
  const name = `${model} v=${shape.v} m=${shape.m} s=${shape.s} L=${shape.L}, grammar ${index + 1}${extra}`;
  return { name, experiment };
}

/** Smallest last step, in nats, of a grammar that takes part: some small grammars have none (H(L-1) = H(L)). */
export const SMALLEST_STEP = 0.05;

interface PlannedGrammar {
  seed: number;
  floor: number; // H(L), nats
  last: number; // H(L-1) - H(L), nats
}

const found = new Map<string, PlannedGrammar[]>();

/** Grammar number `index` of a size: seeds 1, 2, 3, ... without those whose last step is too small to be seen. */
function grammarOf(shape: GrammarShape, index: number): PlannedGrammar {
  const key = JSON.stringify(shape);
  const list = found.get(key) ?? [];
  found.set(key, list);
  for (let seed = (list.at(-1)?.seed ?? 0) + 1; list.length <= index; seed++) {
    const { H } = lossPlateaus(makeRules(shape, seed));
    const last = H[shape.L - 1] - H[shape.L];
    if (last >= SMALLEST_STEP) list.push({ seed, floor: H[shape.L], last });
  }
  return list[index];
}
