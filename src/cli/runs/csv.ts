/** `rhm runs --csv`: a row per run, for a spreadsheet. */
import { type CsvCell, csvLine } from '../../core/csv.js';
import { fieldOf, type KnownRun } from './filter.js';
import { differingFields, flatSettings } from './read.js';

const first = ['run', 'name', 'folder', 'state', 'error', 'step', 'steps', 'samples'];
const numbers = ['lastLoss', 'bestLoss', 'accuracy', 'level'];

/**
 * The columns are fields that --where and --sort take: state and numbers of a run, P_1 to P_L in training sentences (empty if the step
 * was not reached), H_0 to H_L in nats, every setting in which the runs differ, and `columns`.
 */
export function runsCsv(runs: readonly KnownRun[], columns: readonly string[]): string {
  const steps = Math.max(0, ...runs.map(({ overview }) => overview?.plateaus?.length ?? 0)) - 1;
  const positions = Array.from({ length: Math.max(0, steps) }, (_, i) => `P_${i + 1}`);
  const plateaus = Array.from({ length: steps + 1 }, (_, ell) => `H_${ell}`);
  const settings = differingFields(runs.flatMap(({ experiment }) => (experiment ? [flatSettings(experiment)] : [])));
  const head = [...new Set([...first, ...numbers, ...positions, ...plateaus, ...settings, ...columns])];
  return [head, ...runs.map((run) => head.map((name): CsvCell => fieldOf(name, run)))].map(csvLine).join('');
}
