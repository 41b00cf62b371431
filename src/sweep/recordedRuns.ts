/** The runs of the page's recording: three networks on one grammar, each trained on P distinct sentences, for many P. */
import { type Experiment, parseExperiment } from '../core/experiment.js';
import type { GrammarShape } from '../core/rules.js';
import { grammarOf, size } from './plannedGrammars.js';
import { LARGEST_PART } from './plannedSearch.js';
import type { PlannedRun } from './reproduce.js';

type RecordedKind = 'hcnn' | 'hlcn' | 'mla';

interface Recorded {
  kind: RecordedKind;
  settings: Record<string, unknown>; // model, optimiser
  epochs: number; // maximum, if these are more steps than STEPS; a run stops once its validation loss has stopped improving
}

const convolutional = (kind: 'hcnn' | 'hlcn') => ({ model: { kind, width: 128 }, optimiser: { kind: 'sgd', rate: 1 } });

const recorded: readonly Recorded[] = [
  { kind: 'hcnn', settings: convolutional('hcnn'), epochs: 16 },
  { kind: 'hlcn', settings: convolutional('hlcn'), epochs: 16 },
  {
    kind: 'mla',
    settings: { model: { kind: 'mla', channels: 32, heads: 4 }, optimiser: { kind: 'adamw', rate: 5e-3 } },
    epochs: 48,
  },
];

const recordedShape: GrammarShape = size(8, 3, 4);
const BATCH = 32;
const STEPS = 2 ** 16;
const PATIENCE = 2.5;
const RATIO = Math.SQRT2; // ratio of successive P
const FROM = 64;
const TO = 2 ** 17;

export interface RecordedRun extends PlannedRun {
  kind: RecordedKind;
  sentences: number; // P
}

/** P, increasing; up to a tenth of the language. */
function recordedSizes(): number[] {
  const to = Math.min(TO, grammarOf(recordedShape, 0).sentences * LARGEST_PART);
  const count = 1 + Math.floor(Math.log(to / FROM) / Math.log(RATIO) + 1e-9);
  return Array.from({ length: count }, (_, i) => Math.round(FROM * RATIO ** i));
}

export function recordedRuns(): RecordedRun[] {
  const { v, m, s, L } = recordedShape;
  return recorded.flatMap(({ kind, settings, epochs }) =>
    recordedSizes().map((sentences) => ({
      kind,
      sentences,
      name: `${kind} recorded, v=${v} m=${m} s=${s} L=${L}, P=${sentences}`,
      experiment: experimentOf(settings, sentences, Math.max(STEPS, Math.ceil((epochs * sentences) / BATCH))),
    })),
  );
}

function experimentOf(settings: Record<string, unknown>, sentences: number, steps: number): Experiment {
  const { seed } = grammarOf(recordedShape, 0);
  return parseExperiment({
    ...settings,
    grammar: { ...recordedShape, seed },
    budget: { batch: BATCH, sentences, patience: PATIENCE, steps },
    evaluation: { size: 8192, validation: 4096, perDoubling: 4 },
    seed,
  });
}
