/**
 * From your own runs to numbers, without the command line: two short trainings into a folder, their curves compared with the
 * exact losses, and a table as CSV. Run it with Node: node analyzeRuns.mjs FOLDER
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { analyze, lab, readRunFolders, showEstimate, tablesOf, toCsv } from 'rhm-lab/node';

const out = process.argv[2] ?? 'out/analyse';
for (const seed of [1, 2])
  await lab.train(
    {
      model: { kind: 'hcnn', width: 32 },
      grammar: { v: 8, m: 3, L: 3, seed },
      budget: { batch: 32, steps: 512 },
      evaluation: { size: 2048 },
      seed,
    },
    { folder: join(out, `run-${seed}`), executor: 'wasm', threads: 1 },
  );

const analysis = await analyze(readRunFolders([out]));
for (const { series, ell, estimate } of analysis.positions)
  console.log(`${series}: P_${ell} = ${showEstimate(estimate)}`);
console.log(analysis.summary.join('\n'));
const curves = tablesOf(analysis).find(({ name }) => name === 'curves');
writeFileSync(join(out, 'curves.csv'), toCsv(curves));
