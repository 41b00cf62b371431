import type { Experiment } from '../core/experiment.js';
import type { BatchExponent, BatchRow } from './batch.js';
import type { CollapseRow } from './collapse.js';
import type { ControlRow } from './control.js';
import type { CorrelationRow } from './correlations.js';
import type { Curve, ModelKind } from './curves.js';
import type { DataPower, DataRow, LearnerRow } from './data.js';
import type { ExponentRow, RatioRow, ScalingRow } from './exponents.js';
import type { InvarianceCurve, InvarianceExponent, InvarianceRow } from './invariance.js';
import type { LevelRow } from './levels.js';
import type { MeanCurve } from './means.js';
import type { RunStatus } from './runs.js';
import type { PositionRow } from './staircase.js';
import type { Estimate } from './statistics.js';
import type { StoredResults } from './stored.js';

/** One line of the table of runs. */
export interface RunRow {
  path: string;
  hash: string;
  series: string;
  shape: Curve['shape'];
  status: RunStatus;
  replicas: number;
  samples: number; // at the last evaluation
  loss: number; // nats, the last, mean of replicas
  floor: number | undefined; // H(L), nats
  adapter: string;
  executor: string;
  elapsedMs: number;
  experiment: Experiment;
}

export interface Results {
  runs: RunRow[];
  kinds: Map<string, ModelKind>; // of each series
  curves: Curve[];
  means: MeanCurve[];
  positions: (PositionRow & { predicted: number | undefined })[]; // predicted without its prefactor
  exponents: ExponentRow[];
  ratios: RatioRow[];
  ratioExponents: ExponentRow[];
  scaling: ScalingRow[];
  collapse: CollapseRow[];
  data: DataRow[];
  dataPowers: DataPower[];
  learner: LearnerRow[];
  levels: LevelRow[];
  control: ControlRow[];
  batches: BatchRow[]; // where series differ in batch size only
  batchExponents: BatchExponent[];
  invarianceCurves: InvarianceCurve[];
  invariance: InvarianceRow[];
  invarianceExponents: InvarianceExponent[];
  correlations: CorrelationRow[];
  notes: string[]; // what was left out, what is missing, and why
}

export interface Analysis extends Results {
  findings: Finding[];
  summary: string[]; // at most five sentences
  /** Results of the paper scale that are shown beside those of a smaller one. */
  stored?: StoredResults;
}

/**
 * `agrees`: the 95% interval holds the prediction. `open`: runs ended too early, the bound allows the prediction.
 * `no interval`: one run only. `-`: theory fixes no value, for example of a prefactor.
 */
export type Verdict = 'agrees' | 'disagrees' | 'open' | 'no interval' | '-';

export interface Finding {
  section:
    | 'data'
    | 'level'
    | 'position'
    | 'exponent'
    | 'ratio'
    | 'scaling'
    | 'collapse'
    | 'batch'
    | 'invariance'
    | 'correlation';
  quantity: string;
  where: string;
  predicted: number | undefined;
  measured: Estimate;
  verdict: Verdict;
  comment: string;
}
