/**
 * Example: from one's own runs to numbers, without the command line. Two short trainings in memory stand for run folders
 * on disk (there: `readRunFolders(['out'])` of rhm-lab/node, or the three files read by any means).
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import { analyze, type RunFiles, showEstimate, tablesOf, toCsv } from '../../src/entry/index.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { MemoryFolder } from '../../src/training/folder.js';
import { train } from '../../src/training/loop.js';

const test = suite('example: analyse runs');

test('two trained runs, their steps, and a CSV file', async () => {
  const runs: RunFiles[] = [];
  const executor = wasmExecutor({ threads: 1 });
  for (const seed of [1, 2]) {
    const experiment = parseExperiment({
      model: { kind: 'hcnn', width: 32 },
      grammar: { v: 8, m: 3, L: 3, seed },
      budget: { batch: 32, steps: 512 },
      evaluation: { size: 2048 },
      seed,
    });
    const folder = new MemoryFolder(`run ${seed}`);
    await train(experiment, { executor, folder });
    const text = (file: string) => new TextDecoder().decode(folder.contents.get(file));
    runs.push({
      path: folder.name,
      experiment: text('experiment.json'),
      rules: text('rules.json'),
      records: text('records.jsonl'),
    });
  }
  await executor.destroy();

  const analysis = await analyze(runs);
  for (const { series, ell, estimate } of analysis.positions)
    console.log(`${series}: P_${ell} = ${showEstimate(estimate)}`);
  console.log(analysis.summary.join('\n'));
  const curves = tablesOf(analysis).find((t) => t.name === 'curves')!;
  const csv = toCsv(curves);

  assert.equal(
    analysis.runs.map((r) => r.status),
    ['done', 'done'],
  );
  const first = analysis.positions.find((p) => p.ell === 1)!;
  assert.ok(first.reached === 2 && first.estimate.value > 32 && first.estimate.value < 512 * 32);
  assert.ok(
    csv.startsWith(
      'series,v,n,m,s,L,grammar,replica,samples,loss,accuracy,floor,excess,limited\r\nhcnn,8,8,3,2,3,1,run 1 #0,32,',
    ),
  );
});

test.run();
