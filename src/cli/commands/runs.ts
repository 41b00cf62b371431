/** `rhm runs`: the runs of a store, or of a folder of single runs. */
import type { Command } from 'commander';
import { showNumber } from '../../analysis/format.js';
import { counted } from '../../core/counted.js';
import { InputError } from '../../core/errors.js';
import type { Value } from '../../sweep/expression.js';
import { type CommandContext, integer } from '../context.js';
import { runsCsv } from '../runs/csv.js';
import { type Condition, fieldOf, type KnownRun, parseConditions, stageOf } from '../runs/filter.js';
import { runJson, selectRuns } from '../runs/select.js';
import { lossText, plateauText, positionText, textTable } from '../runs/table.js';

interface Options {
  where?: string[];
  sort?: string;
  reverse?: boolean;
  limit: number;
  columns?: string[];
  csv?: boolean;
}

const LISTED = 40;

export function addRuns(program: Command, io: CommandContext): void {
  program
    .command('runs')
    .summary('list runs, filtered and sorted by any field, with losses and the P_ell that they reached')
    .description(
      'list runs, filtered and sorted by any field, with state, last and best loss, the plateau nearest to the last one, and P_ell: the number of training sentences seen, repeats included, ' +
        'when the loss was half way down step ell, in the logarithm of the loss above H(L). The P_ell of a search, in distinct sentences, is in curvePositions.csv of rhm analyze. ' +
        'The field level, for --where, --sort and --columns, is the number of steps, from the first on, that the last loss is half way down or below',
    )
    .argument('[folder]', 'store of a sweep, or any folder with runs in or below it', 'out')
    .option(
      '--where <condition...>',
      'only runs that meet all these conditions: a field, one of = != < <= > >= ~ (contains), a value; or an expression as in a grid file',
    )
    .option('--sort <field>', 'field to sort by (default: latest first)')
    .option('--reverse', 'reverse the order')
    .option('--limit <n>', 'number of runs to list; 0 for all', integer(0), LISTED)
    .option('--columns <field...>', 'further fields to show')
    .option(
      '--csv',
      'print CSV for a spreadsheet: all runs that meet the conditions (or --limit), P_ell and the plateaus H_ell as numbers, and every setting in which the runs differ',
    )
    .action(async (folder: string, options: Options, command: Command) => {
      const { where = [], columns = [], csv = false, ...rest } = options;
      if (csv && command.optsWithGlobals().json) throw new InputError('--csv: got with --json; pass one of the two');
      if (csv && command.getOptionValueSource('limit') === 'default') rest.limit = 0;
      const conditions: Condition[] = where.flatMap(parseConditions);
      for (const column of columns) stageOf(column);
      const { total, matched, runs } = await selectRuns(folder, { ...rest, conditions });
      if (csv) {
        await io.write(runsCsv(runs, columns));
        return;
      }
      const value = { folder, total, matched, runs: runs.map((run) => runJson(run)) };
      await io.result(command, value, () => {
        const counts = `${folder}: ${counted(total, 'run')}${conditions.length ? `, ${matched} ${matched === 1 ? 'meets' : 'meet'} the conditions` : ''}`;
        const more = runs.length < matched ? `; ${runs.length} shown (--limit 0 shows all)` : '';
        return runs.length ? `${runTable(runs, columns)}\n\n${counts}${more}` : counts;
      });
    });
}

function runTable(runs: readonly KnownRun[], columns: readonly string[]): string {
  const levels = Math.max(0, ...runs.map(({ overview }) => overview?.P?.length ?? 0));
  const ells = Array.from({ length: levels }, (_, i) => i + 1);
  const head = [
    'RUN',
    'STATE',
    'STEP',
    'OF',
    'LAST LOSS',
    'BEST LOSS',
    'NEAREST',
    ...ells.map((ell) => `P_${ell}`),
    ...columns,
    'NAME',
  ];
  const rows = runs.map((run) => {
    const { listed, overview } = run;
    const step = overview?.step ?? listed.step;
    return [
      listed.run,
      listed.state,
      step === undefined ? '' : String(step),
      overview ? String(overview.steps) : '',
      lossText(overview?.step ? overview.lastLoss : listed.lastLoss),
      lossText(overview?.step ? overview.bestLoss : undefined),
      overview ? plateauText(overview) : '',
      ...ells.map((ell) => positionText(overview?.P?.find((p) => p.ell === ell))),
      ...columns.map((column) => cell(fieldOf(column, run))),
      `${listed.name}${listed.error ? `  (${listed.error})` : ''}`,
    ];
  });
  return textTable(head, rows);
}

const cell = (value: Value): string =>
  value === undefined || value === null ? '-' : typeof value === 'number' ? showNumber(value) : String(value);
