/** `rhm compare`: the differences between runs, and their curves side by side. */
import { extname } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { grammarKey } from '../../analysis/curves.js';
import { showNumber } from '../../analysis/format.js';
import { FileError, InputError } from '../../core/errors.js';
import { writeAtomically } from '../../platform/atomicFile.js';
import { findRuns } from '../../platform/findRun.js';
import { type CommandContext, integer } from '../context.js';
import { differingFields, flatSettings, readWhole, type Settings, settingText, type WholeRun } from '../runs/read.js';
import { lossText, plateauText, positionText, textTable } from '../runs/table.js';
import { letterOf, plotCurves, terminalWidth } from '../terminalPlot.js';

interface Options {
  store: string[];
  picture?: string;
  dark?: boolean;
  width: number;
}

export function addCompare(program: Command, io: CommandContext): void {
  program
    .command('compare')
    .description('compare runs: differing settings, losses, P_ell, and their curves in one picture')
    .argument('<run...>', 'two or more runs: folders, names, or hashes (their first digits are enough)')
    .option('--store <folder...>', 'folders to search for hashes and names', ['out'])
    .option('--picture <file>', 'write the curves to this .svg or .png file', pictureFile)
    .option('--dark', 'use dark colours in the picture')
    .option('--width <n>', 'width of the picture in pixels', integer(280, 4000), 880)
    .action(async (texts: string[], options: Options, command: Command) => {
      const runs = await Promise.all((await findRuns(texts, options.store)).map(readWhole));
      const folders = new Set(runs.map(({ listed }) => listed.path));
      if (folders.size < 2) throw new InputError('compare: pass at least two different runs, as folders or hashes');
      const settings = runs.map(({ run }) => flatSettings(run.experiment));
      const fields = differingFields(settings);
      if (options.picture) await writePicture(runs, fields, settings, options);
      const value = {
        runs: runs.map(({ listed, overview, run, faults }) => ({
          run: listed.run,
          name: listed.name,
          folder: listed.path,
          state: listed.state,
          ...overview,
          start: run.start,
          faults,
        })),
        differs: Object.fromEntries(fields.map((name) => [name, settings.map((one) => one[name] ?? null)])),
        ...(options.picture && { picture: options.picture }),
      };
      await io.result(command, value, () => compareText(runs, fields, settings, options.picture));
    });
}

function pictureFile(text: string): string {
  if (!['.svg', '.png'].includes(extname(text).toLowerCase()))
    throw new InvalidArgumentError('Pass a file name that ends in .svg or .png.');
  return text;
}

function compareText(
  runs: readonly WholeRun[],
  fields: readonly string[],
  settings: readonly Settings[],
  picture?: string,
): string {
  const heads = runs.map((_, k) => letterOf(k));
  const levels = Math.max(0, ...runs.map(({ overview }) => overview.P?.length ?? 0));
  const row = (name: string, cells: readonly string[]) => [name, ...cells];
  const rows = [
    row(
      'run',
      runs.map(({ listed }) => listed.run),
    ),
    ...fields.map((name) =>
      row(
        name,
        settings.map((one) => settingText(one[name])),
      ),
    ),
    row(
      'state',
      runs.map(({ listed }) => listed.state),
    ),
    row(
      'step',
      runs.map(({ overview }) => `${overview.step} of ${overview.steps}`),
    ),
    row(
      'last loss',
      runs.map(({ overview }) => lossText(overview.lastLoss)),
    ),
    row(
      'best loss',
      runs.map(({ overview }) => lossText(overview.bestLoss)),
    ),
    row(
      'nearest',
      runs.map(({ overview }) => plateauText(overview)),
    ),
    ...Array.from({ length: levels }, (_, i) =>
      row(
        `P_${i + 1}`,
        runs.map(({ overview }) => positionText(overview.P?.[i])),
      ),
    ),
    row(
      'seconds',
      runs.map(({ run }) => showNumber(run.elapsedMs / 1000)),
    ),
    row(
      'adapter',
      runs.map(({ run }) => run.start?.adapter ?? '-'),
    ),
  ];
  const notes = fields.length ? '' : '\n\nthe experiments are equal: only the machines may differ';
  const sameGrammar = new Set(runs.map(({ run }) => grammarKey(run.rules))).size === 1;
  const plot = plotCurves(
    runs.map((one) => ({ label: labelOf(one, fields), points: one.overview.curve })),
    { width: terminalWidth(), height: 18, plateaus: sameGrammar ? runs[0].overview.plateaus : undefined },
  );
  return `${textTable(['', ...heads], rows)}${notes}\n\n${plot}${picture ? `\n\npicture in ${picture}` : ''}`;
}

const LABEL = 60; // characters of an entry of the legend

/** The text that distinguishes a run from the others: the settings that differ, else its hash. */
function labelOf({ run, listed }: WholeRun, fields: readonly string[]): string {
  const settings = flatSettings(run.experiment);
  const text = fields
    .filter((name) => !name.startsWith('grammar.rules'))
    .map((name) => `${name.split('.').at(-1)}=${settingText(settings[name])}`)
    .join(' ');
  return !text || text.length > LABEL ? `${listed.run} ${text.slice(0, LABEL - 17)}`.trim() : text;
}

async function writePicture(
  runs: readonly WholeRun[],
  fields: readonly string[],
  settings: readonly Settings[],
  { picture, dark, width }: Options,
): Promise<void> {
  // Loaded here: the plotting library is larger than the rest of the command line.
  const [{ drawComparison }, { themes }, { pngRenderer }, { emptyDocument }] = await Promise.all([
    import('../../analysis/figures/comparison.js'),
    import('../../analysis/figures/index.js'),
    import('../../platform/report.js'),
    import('../../platform/emptyDocument.js'),
  ]);
  const document = emptyDocument();
  const theme = themes[dark ? 'dark' : 'light'];
  const labels = runs.map((one) => labelOf(one, fields));
  const compared = runs.map(({ run, overview, listed }, i) => ({
    label: labels.indexOf(labels[i]) === i ? labels[i] : `${labels[i]} (${listed.run})`,
    rules: run.rules,
    plateaus: overview.plateaus,
    curve: overview.curve,
  }));
  const svg = drawComparison(compared, { document, theme, width })?.outerHTML;
  if (svg === undefined) throw new InputError(`--picture: none of the ${settings.length} runs has been evaluated yet`);
  if (extname(picture!).toLowerCase() === '.svg') return writeAtomically(picture!, svg);
  const { render, problem } = await pngRenderer();
  if (!render) throw new FileError(`${picture}: PNG needs the package @resvg/resvg-js: ${problem}; pass a .svg file`);
  await writeAtomically(picture!, render(svg, theme.paper));
}
