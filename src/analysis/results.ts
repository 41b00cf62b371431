import type { Experiment } from '../core/experiment.js';
import type { Curve, ModelKind, StudyName } from './curves.js';
import type { DataPower, DataRow, LearnerRow } from './data.js';
import type { ExponentRow } from './exponents.js';
import type { FigureResults } from './figures/index.js';
import type { InvarianceCurve } from './invariance.js';
import type { MeanCurve } from './means.js';
import type { RunStatus } from './runs.js';
import type { PositionRow } from './staircase.js';
import type { Estimate } from './statistics.js';
import type { StoredResults } from './stored.js';
import type { Table } from './tables.js';

/** One line of the table of runs. */
export interface RunRow {
  path: string;
  hash: string;
  series: string;
  shape: Curve['shape'];
  status: RunStatus;
  replicas: number;
  samples: number; // at the last evaluation
  loss: number; // nats, the last one, mean over replicas
  floor: number | undefined; // H(L), nats
  adapter: string;
  executor: string;
  elapsedMs: number;
  experiment: Experiment;
}

/** Results that several figures use; results of one figure are in its file. */
export interface Base {
  runs: RunRow[];
  kinds: Map<string, ModelKind>; // of each series
  curves: Curve[];
  studies: Record<StudyName, Curve[]>; // curves of separate studies; not among the others
  means: MeanCurve[];
  positions: (PositionRow & { predicted: number | undefined })[]; // predicted without its prefactor
  exponents: ExponentRow[];
  data: DataRow[];
  dataPowers: DataPower[];
  learner: LearnerRow[];
  invarianceCurves: InvarianceCurve[];
  notes: string[]; // what was left out or is missing, and why
  /** Results at the paper's scale that are shown together with those at a smaller one. */
  stored?: StoredResults;
}

export type Results = Base & FigureResults;

export type Analysis = Results & {
  findings: Finding[];
  tables: Table[]; // all results, flat
  summary: string[]; // at most five sentences
};

/**
 * `agrees`: the 95% interval contains the prediction. `open`: runs ended too early and the bound allows the prediction, or the interval
 * of a power is too wide to tell. `no interval`: only one run. `-`: theory predicts no value, for example for a prefactor.
 */
export type Verdict = 'agrees' | 'disagrees' | 'open' | 'no interval' | '-';

/** One comparison with theory. */
export interface FindingRow {
  quantity: string;
  where: string;
  predicted: number | undefined;
  measured: Estimate;
  verdict?: Verdict; // default: what `compare` says
  comment?: string;
}

export interface Finding extends Required<FindingRow> {
  section: string; // of the figure that it belongs to
}
