/** From run folders to tables, fits and figures. Uses no GPU and nothing of Node. */

export { studentQuantile } from '../theory/student.js';
export { type AnalyzeOptions, analyze } from './analyze.js';
export { type ClusterCurve, type ClusterForm, type ClusterOptions, clusterCurves } from './cluster.js';
export {
  CORRELATION_SAMPLES,
  type CorrelationRow,
  correlationTable,
  empiricalRms,
  type SampleSentences,
  sampleSentences,
} from './correlations.js';
export { type Curve, type CurvePoint, type ModelKind, shapeName } from './curves.js';
export type { Canvas } from './figures/paper.js';
export type { FigureSpec, FigureTable } from './figures/spec.js';
export type { Theme, ThemeName } from './figures/theme.js';
export { compare } from './findings.js';
export { showEstimate, showNumber } from './format.js';
export { type DrawnFigure, type ReportOptions, reportHtml } from './report.js';
export type { Analysis, Finding, Results, RunRow, Verdict } from './results.js';
export { type ReplicaHistory, type Run, type RunFiles, type RunStatus, readRun } from './runs.js';
export { crossing, type Position, positionsOf, stepThreshold } from './staircase.js';
export { type Bound, type Estimate, fitLine, linearStatistic, type Unit } from './statistics.js';
export { type Table, tablesOf, toCsv, toParquet } from './tables.js';

/** The figures with their plotting library, loaded on demand because it is larger than the rest. */
export const loadFigures = () => import('./figures/index.js');
