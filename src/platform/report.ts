/** The report folder: index.html, figures/*.svg and *.png, data/*.csv and *.parquet. Node and Deno; loaded on demand. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };
import { figures, pageTheme, type Theme, themes } from '../analysis/figures/index.js';
import { type DrawnFigure, reportHtml } from '../analysis/report.js';
import type { Analysis } from '../analysis/results.js';
import { tablesOf, toCsv, toParquet } from '../analysis/tables.js';
import { FileError } from '../core/errors.js';
import { reason, writeAtomically } from './atomicFile.js';
import { makeFolder } from './durable.js';
import { emptyDocument } from './emptyDocument.js';
import { claimFiles, holdsText } from './ownFiles.js';

export interface WrittenReport {
  report: string; // path of index.html
  figures: string[]; // names of the figures that could be drawn
  tables: string[];
  png: boolean;
  pngProblem?: string; // why there are no PNG files: most often this machine lacks the package or its binary
}

const WIDE = 880;
const NARROW = 360;

/**
 * Writes everything to `out`, the page last. reproduces: whether the runs are those of the paper's figures. only: names of figures;
 * default all that can be drawn.
 */
export async function writeReport(
  analysis: Analysis,
  out: string,
  { title, reproduces = false, only }: { title: string; reproduces?: boolean; only?: readonly string[] },
): Promise<WrittenReport> {
  const tables = tablesOf(analysis);
  const modes = figures.flatMap(({ name }) => Object.keys(themes).map((m) => (m === 'light' ? name : `${name}-${m}`)));
  const names = [
    'index.html',
    ...tables.flatMap(({ name }) => [`data/${name}.csv`, `data/${name}.parquet`]),
    ...modes.flatMap((name) => [`figures/${name}.svg`, `figures/${name}.png`]),
  ];
  const before = holdsText(join(out, 'index.html'), `<footer>${packageJson.name} `);
  await claimFiles(out, names, '--out', () => before);
  const { render, problem } = await pngRenderer();
  for (const table of tables) {
    await write(join(out, 'data', `${table.name}.csv`), toCsv(table));
    await write(join(out, 'data', `${table.name}.parquet`), await toParquet(table));
  }
  const drawn: DrawnFigure[] = [];
  for (const figure of figures) {
    const { name, title: heading, chapter } = figure;
    if (only && !only.includes(name)) continue;
    const wide = draw(name, analysis, pageTheme, WIDE);
    if (wide === undefined) continue;
    drawn.push({
      name,
      title: heading,
      chapter,
      caption: figure.caption(analysis),
      table: figure.table?.(analysis),
      wide,
      narrow: draw(name, analysis, pageTheme, NARROW)!,
    });
    for (const [mode, theme] of Object.entries(themes)) {
      const svg = draw(name, analysis, theme, WIDE)!;
      const file = join(out, 'figures', mode === 'light' ? name : `${name}-${mode}`);
      await write(`${file}.svg`, svg);
      if (render) await write(`${file}.png`, render(svg, theme.paper));
    }
  }
  const report = join(out, 'index.html');
  const made = `${packageJson.name} ${packageJson.version}, ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  await write(
    report,
    reportHtml(analysis, drawn, {
      title,
      reproduces,
      tables,
      sections: figures.flatMap(({ sections = [] }) => sections),
      made,
    }),
  );
  return {
    report,
    figures: drawn.map((f) => f.name),
    tables: tables.map((t) => t.name),
    png: render !== undefined,
    ...(problem ? { pngProblem: problem } : {}),
  };
}

/** A figure as SVG text; undefined if the runs contain nothing to draw. */
export function draw(name: string, analysis: Analysis, theme: Theme, width: number): string | undefined {
  const document = emptyDocument();
  const figure = figures.find((f) => f.name === name)!;
  return figure.draw(analysis, { document, theme, width })?.outerHTML;
}

type RenderPng = (svg: string, paper: string) => Uint8Array;

/** The font is part of the package, so that a machine without fonts draws the same picture. */
export async function pngRenderer(): Promise<{ render?: RenderPng; problem?: string }> {
  try {
    const { Resvg } = await import('@resvg/resvg-js');
    const fonts = fontFolder();
    const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => join(fonts, name));
    const render: RenderPng = (svg, background) =>
      new Resvg(svg, {
        background,
        fitTo: { mode: 'zoom', value: 2 },
        font: { loadSystemFonts: false, fontFiles, defaultFontFamily: 'DejaVu Sans' },
      })
        .render()
        .asPng();
    return { render };
  } catch (error) {
    return { problem: reason(error) };
  }
}

/** dist/fonts/, from the folder of the bundle or of its chunks; in tests, from build/test-<number>/ or a folder in it. */
function fontFolder(): string {
  const folders = ['fonts/', '../fonts/', '../../dist/fonts/', '../../../dist/fonts/'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = folders.find((folder) => existsSync(folder));
  if (!found) throw new FileError(`${folders[0]}: the fonts of the package are missing; install it again`);
  return found;
}

async function write(file: string, content: string | Uint8Array): Promise<void> {
  try {
    makeFolder(dirname(file));
  } catch (error) {
    throw new FileError(`${dirname(file)}: ${reason(error)}; choose another folder with --out`, { cause: error });
  }
  await writeAtomically(file, content);
}
