import { InputError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { nearest } from '../core/nearest.js';
import type { GrammarShape } from '../core/rules.js';
import { holdoutRuns } from './holdoutStudy.js';
import { denoisingRuns, maskedRuns } from './maskedStudy.js';
import { parseRuns } from './parseStudy.js';
import { grammarOf, type Scale, size } from './plannedGrammars.js';
import { probeRuns, representationRuns } from './probeStudy.js';

export { type Scale, SMALLEST_STEP, scales } from './plannedGrammars.js';

/** What the runs of a scale are for: names of figures in the report. */
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
  'data',
  'control',
  'context',
  'classes',
  'powerLaw',
  'wiring',
  'masked',
  'probes',
  'representation',
  'parse',
  'denoising',
  'holdout',
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
  samples: number; // P at which a run ends, unless it has learnt everything earlier
  testSize: number;
  perDoubling: number; // evaluations
  stop: number; // fraction of the last step that is left when a run ends
  measured: number; // grammars for whose runs invariance is measured too; costly if runs are small
  figures: readonly FigureName[];
}

const both: FigureName[] = ['curves', 'positions', 'ratios', 'excess', 'scaling', 'collapse', 'invariance'];

const small = (kind: 'hcnn' | 'hlcn') => ({ model: { kind, width: 32 }, optimiser: { kind: 'sgd', rate: 1 } });
const smallMla = { model: { kind: 'mla', channels: 32, heads: 4 }, optimiser: { kind: 'adamw', rate: 5e-3 } };
const quickBlock = { batch: 32, testSize: 2048, perDoubling: 3, stop: 0.4, measured: 2 };

/**
 * One pass on the grammars of the curves in data: the sentences that training needs in any case at this batch and rate. A run
 * ends once it is past the middle of the last step. The longest runs come first, so that the cores finish together.
 */
const quick: Block[] = [
  {
    ...quickBlock,
    model: 'mla',
    shape: size(8, 2, 4),
    grammars: 2,
    settings: smallMla,
    samples: 2 ** 15,
    testSize: 1024,
    measured: 0,
    figures: [...both, 'data'],
  },
  ...(['hcnn', 'hlcn'] as const).flatMap((model) =>
    ([4, 3, 2] as const).map(
      (m): Block => ({
        ...quickBlock,
        model,
        shape: size(8, m, 4),
        grammars: 3,
        settings: small(model),
        samples: 2 ** 18,
        measured: model === 'hcnn' ? 2 : 0,
        figures: model === 'hcnn' ? [...both, 'correlations', 'sharing', 'batch', 'data'] : ['sharing', 'data'],
      }),
    ),
  ),
  ...[4, 3, 2].flatMap((m) =>
    [2, 4, 8, 128].map(
      (batch): Block => ({
        ...quickBlock,
        model: 'hcnn',
        shape: size(8, m, 4),
        grammars: 3,
        settings: small('hcnn'),
        batch,
        samples: 2 ** (batch < 8 ? 15 : batch < 32 ? 17 : 19),
        measured: 0,
        figures: ['batch'],
      }),
    ),
  ),
];

const paperSizes = [size(16, 4, 4), size(16, 2, 4), size(16, 3, 4), size(32, 8, 4)] as const;
const paperBlock = { batch: 128, samples: 2 ** 24, testSize: 32768, perDoubling: 4, stop: 0.15 };
const hlcn = { model: { kind: 'hlcn', width: 512 }, optimiser: { kind: 'sgd', rate: 1 } };
const hcnn = { model: { kind: 'hcnn', width: 512 }, optimiser: { kind: 'sgd', rate: 1 } };
const mla = { model: { kind: 'mla', channels: 256, heads: 16 }, optimiser: { kind: 'adamw', rate: 1e-3 } };

/**
 * The sizes of the paper, at most 2^24 samples per run, the most informative first: all CNNs, then transformers and locally
 * connected networks of v = 16 (m = 2 shows all four steps), then those of v = 32, which get through at most two steps in that
 * time.
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
      figures: [...both, 'correlations', 'sharing', 'batch', 'data'],
    }),
  ),
  ...[paperSizes.slice(0, 3), paperSizes.slice(3)].flatMap((shapes) => [
    ...shapes.map(
      (shape): Block => ({
        ...paperBlock,
        shape,
        model: 'mla',
        grammars: 4,
        measured: 4,
        settings: mla,
        figures: shape.v === 16 && shape.m !== 3 ? [...both, 'batch', 'data'] : [...both, 'data'],
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
        figures: ['sharing', 'invariance', 'data'],
      }),
    ),
  ]),
  // Batch 128 at rate 1 measures steps, not data: smaller batches show by how much. Batches that are too small are unstable at
  // that rate.
  ...[...paperSizes.slice(0, 2), paperSizes[3]].flatMap((shape) =>
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

/**
 * Figures made when none is named: those of the paper, without `batch` and `control`, whose runs say how much of a P_ell is data.
 * Those of related papers are made on request.
 */
export const defaultFigures: Record<Scale, readonly FigureName[]> = {
  quick: [...both, 'correlations', 'sharing', 'data'],
  paper: [...both, 'correlations', 'sharing', 'data'],
};

/**
 * The runs that figures need, each once, in the order in which they should be trained.
 * @throws InputError for an unknown figure, listing those that exist.
 */
export function planReproduction(scale: Scale, figures: readonly string[] = []): PlannedRun[] {
  for (const name of figures)
    if (!(figureNames as readonly string[]).includes(name)) {
      const guess = nearest(name, figureNames);
      throw new InputError(
        `figure: got ${name}; ${guess ? `did you mean ${guess}? There are` : 'there are'} ${figureNames.join(', ')}; none means the usual ones`,
      );
    }
  const wanted = figures.length ? figures : defaultFigures[scale];
  const named = blocks[scale].filter((block) => block.figures.some((f) => wanted.includes(f)));
  return [
    ...named.flatMap((block) => Array.from({ length: block.grammars }, (_, index) => plannedRun(block, index))),
    ...(wanted.includes('masked') ? maskedRuns(scale) : []),
    ...(wanted.includes('denoising') ? denoisingRuns(scale) : []),
    ...(wanted.includes('holdout') ? holdoutRuns(scale) : []),
    ...(wanted.includes('probes') ? probeRuns(scale) : []),
    ...(wanted.includes('representation') ? representationRuns(scale) : []),
    ...(wanted.includes('parse') ? parseRuns(scale) : []),
  ];
}

function plannedRun(block: Block, index: number): PlannedRun {
  const { model, shape, settings, batch, samples, testSize, perDoubling, stop, measured, figures } = block;
  const { seed, plateaus } = grammarOf(shape, index);
  const floor = plateaus[shape.L];
  const last = plateaus[shape.L - 1] - floor;
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
