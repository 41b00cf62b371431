/** `rhm analyze DIR...`: compares finished or running runs with the paper's claims, as tables, figures and a page. */
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { analyze, LEFT_OUT } from '../../analysis/analyze.js';
import { showEstimate, showNumber } from '../../analysis/format.js';
import type { Analysis } from '../../analysis/results.js';
import { counted } from '../../core/counted.js';
import { readRunFolders } from '../../platform/runFolders.js';
import type { CommandContext } from '../context.js';

export function addAnalyze(program: Command, io: CommandContext): void {
  program
    .command('analyze')
    .description('compare run folders with theory: steps, exponents, ratios, collapses; writes a report with figures')
    .argument('<dir...>', 'run folders, or folders that contain some')
    .option('--out <dir>', 'folder of the report', 'report')
    .option('--title <text>', 'title of the report (default: the names of the folders)')
    .option('--no-report', 'print the table without writing a report')
    .action(async (roots: string[], options: { out: string; title?: string; report: boolean }, command: Command) => {
      const analysis = await analyze(readRunFolders(roots));
      const { writeReport } = await import('../../platform/report.js');
      const { title = titleOf(roots) } = options;
      const written = options.report ? await writeReport(analysis, options.out, { title }) : undefined;
      if (written?.pngProblem) io.log(`no PNG files, SVG only: ${written.pngProblem}`);
      for (const note of analysis.notes) io.log(`note: ${note}`);
      if (analysis.notes.some((note) => note.startsWith(LEFT_OUT))) process.exitCode = 1;
      const { findings, summary, notes } = analysis;
      await io.result(command, { summary, findings, notes, positions: positionsJson(analysis), ...written }, () =>
        [findingsText(analysis), '', ...summary, ...(written ? ['', `report: ${written.report}`] : [])].join('\n'),
      );
    });
}

const NAMED = 3; // folders in a title

function titleOf(roots: readonly string[]): string {
  const names = roots.slice(0, NAMED).map((root) => basename(resolve(root)));
  const more = roots.length - names.length;
  return `Learning curves of ${names.join(', ')}${more ? ` and ${counted(more, 'more folder')}` : ''}`;
}

/** The positions without their units. */
function positionsJson({ positions }: Analysis) {
  return positions.map(({ units: _, ...row }) => row);
}

function findingsText({ findings }: Analysis): string {
  const head = ['quantity', 'where', 'predicted (P_ell up to a constant factor)', 'measured', 'verdict'];
  const rows = findings.map((f) => [f.quantity, f.where, showNumber(f.predicted), showEstimate(f.measured), f.verdict]);
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i].length)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
