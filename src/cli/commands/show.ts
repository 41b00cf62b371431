/** `rhm show`: one run: its settings, its curve over the plateaus, the machine it ran on. */
import type { Command } from 'commander';
import { showNumber } from '../../analysis/format.js';
import { beyondLanguage } from '../../analysis/overview.js';
import type { MeasureRecord, StartRecord } from '../../core/records.js';
import { findRuns } from '../../platform/findRun.js';
import { shownPath } from '../../platform/runList.js';
import type { CommandContext } from '../context.js';
import { RUN, STORE } from '../runFolder.js';
import { timeText } from '../running.js';
import { readWhole, settingsOf, settingText, type WholeRun } from '../runs/read.js';
import { lossText, plateauText, textTable } from '../runs/table.js';
import { plotCurves, terminalWidth } from '../terminalPlot.js';

interface Options {
  store: string[];
}

export function addShow(program: Command, io: CommandContext): void {
  program
    .command('show')
    .description(
      'show one run: settings, loss curve beside the plateaus of its grammar, P_ell, measures, and the machine it ran on',
    )
    .argument('<run>', RUN)
    .option('--store <folder...>', STORE, ['out'])
    .action(async (text: string, options: Options, command: Command) => {
      const [listed] = await findRuns([text], options.store);
      const whole = await readWhole(listed);
      await io.result(command, showJson(whole), () => showText(whole));
      if (whole.faults.length) process.exitCode = 1;
    });
}

function showJson({ listed, run, overview, faults }: WholeRun) {
  const { path, at, store, ...rest } = listed;
  return {
    ...rest,
    folder: path,
    ...(store && { store }),
    ...(at !== undefined && { at: new Date(at).toISOString() }),
    ...overview,
    elapsedMs: run.elapsedMs,
    tests: run.replicas.flatMap(({ tests }) => tests),
    measures: lastMeasures(run.replicas.flatMap(({ measures }) => measures)),
    start: run.start,
    experiment: run.experiment,
    problems: run.problems,
    faults,
  };
}

function showText({ listed, run, overview, faults }: WholeRun): string {
  const { plateaus, P = [] } = overview;
  const parts = [
    `${listed.run}${listed.name && listed.name !== listed.run ? `  ${listed.name}` : ''}`,
    pairs([
      ['folder', shownPath(listed.path)],
      ['state', `${listed.state}${listed.by ? `, ${listed.by}` : ''}${listed.error ? `: ${listed.error}` : ''}`],
      ['step', `${overview.step} of ${overview.steps} (${showNumber(overview.samples)} training sentences)`],
      ['last loss', `${lossText(overview.lastLoss)} nats${plateaus ? `, nearest ${plateauText(overview)}` : ''}`],
      ['best loss', `${lossText(overview.bestLoss)} nats`],
      ['accuracy', overview.accuracy === null ? '-' : overview.accuracy.toFixed(4)],
      ...run.replicas.flatMap(({ tests, replica }) =>
        tests.map(({ loss, step }): [string, string] => [
          run.replicas.length > 1 ? `test ${replica}` : 'test',
          `${loss.toFixed(4)} nats at the best weights, step ${step}`,
        ]),
      ),
      ...(run.replicas.length > 1
        ? [
            ['replicas', `mean of ${run.replicas.length} replicas: losses, accuracy, curve and P_ell`] as [
              string,
              string,
            ],
          ]
        : []),
      ['trained for', timeText(run.elapsedMs / 1000)],
      ...startPairs(run.start),
    ]),
    `settings other than the defaults of ${run.experiment.model.kind}:\n${pairs(
      Object.entries(settingsOf(run.experiment)).map(([name, value]) => [name, settingText(value)]),
    )}`,
    plotCurves([{ label: listed.run, points: overview.curve }], { width: terminalWidth(), height: 16, plateaus }),
  ];
  const beyond = beyondLanguage(run, overview);
  if (plateaus)
    parts.push(
      textTable(
        ['ELL', 'H(ELL)', 'P_ELL', 'TRAINING STEPS'],
        plateaus.map((h, ell) => {
          const p = P.find((one) => one.ell === ell);
          const at = (value: number | null | undefined) =>
            value === null || value === undefined ? '-' : `${p?.bound ? '≤' : ''}${showNumber(value)}`;
          return [String(ell), h.toFixed(4), at(p?.samples), at(p?.steps)];
        }),
      ) + (beyond ? `\n\n${beyond}` : ''),
    );
  const measures = lastMeasures(run.replicas.flatMap(({ measures }) => measures));
  if (measures.length)
    parts.push(
      textTable(
        ['MEASURE', 'LAYER', 'LEVEL', 'VALUE', 'STEP'],
        measures.map((m) => [
          m.name,
          String(m.layer ?? '-'),
          String(m.level ?? '-'),
          showNumber(m.value),
          String(m.step),
        ]),
      ),
    );
  if (run.problems.length) parts.push(run.problems.map((problem) => `odd: ${problem}`).join('\n'));
  if (faults.length) parts.push(faults.map((fault) => `damaged: ${fault}`).join('\n'));
  return parts.join('\n\n');
}

/** The last value of each measure of the first replica that has it. */
function lastMeasures(all: readonly MeasureRecord[]): MeasureRecord[] {
  const last = new Map<string, MeasureRecord>();
  for (const record of all) {
    const key = [record.name, record.layer, record.level].join();
    const old = last.get(key);
    if (!old || (record.replica === old.replica && record.step >= old.step)) last.set(key, record);
  }
  return [...last.values()];
}

/** The machine, as the record of a start describes it; later versions may add fields. */
function startPairs(start: StartRecord | undefined): [string, string][] {
  if (!start) return [];
  const { type: _, hash: __, step, time, ...where } = start;
  const said = Object.entries(where).filter(([, value]) => typeof value === 'string' || typeof value === 'number');
  return [
    ['started', [time, step ? `at step ${step}` : ''].filter(Boolean).join(', ')],
    ...said.map(([name, value]): [string, string] => [name, String(value)]),
  ];
}

function pairs(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n');
}
