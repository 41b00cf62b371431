/** A sweep's store with many runs that were never trained, as input for lists of runs. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseExperiment } from '../../src/core/experiment.js';
import { RecordLines } from '../../src/core/records.js';
import { indexLines } from '../../src/sweep/store.js';

export const syntheticHash = (i: number): string => createHash('sha256').update(`run ${i}`).digest('hex').slice(0, 16);

/** Run i: seed i, width 8 or 16, done with loss 1 + i / count; every tenth one failed. */
export function makeSyntheticStore(store: string, count: number): void {
  const events: Parameters<typeof indexLines>[0][number][] = [];
  mkdirSync(join(store, 'runs'), { recursive: true });
  writeFileSync(
    join(store, 'store.json'),
    `${JSON.stringify({ format: 'rhm sweep store', version: 1, id: 'synthetic' })}\n`,
  );
  for (let i = 0; i < count; i++) {
    const run = syntheticHash(i);
    const folder = join(store, 'runs', run);
    const loss = 1 + i / count;
    mkdirSync(folder);
    const experiment = parseExperiment({
      model: { kind: 'hcnn', width: i % 2 ? 16 : 8 },
      grammar: { v: 6, m: 2, L: 2, seed: 1 },
      budget: { batch: 8, steps: 4 },
      evaluation: { perDoubling: 1 },
      seed: i,
    });
    writeFileSync(join(folder, 'experiment.json'), JSON.stringify(experiment, null, 2));
    const evals = [1, 2, 4].map((step) => ({
      type: 'eval' as const,
      replica: 0,
      step,
      samples: 8 * step,
      loss: loss + (4 - step) / 10,
      accuracy: 0.5,
      elapsed_ms: step,
    }));
    const start = { type: 'start' as const, hash: run, adapter: 'none', executor: 'wasm', step: 0 };
    writeFileSync(
      join(folder, 'records.jsonl'),
      new RecordLines().format([start, ...evals, { type: 'end', replica: 0, reason: 'done' }]),
    );
    const at = 1e12 + 1000 * i;
    events.push(
      { run, state: 'running', at, name: `seed=${i}`, by: 'process 1 on host' },
      i % 10 === 9
        ? { run, state: 'failed', at: at + 1, error: 'WorkerError: it is gone', tries: 3 }
        : { run, state: 'done', at: at + 1, loss, step: 4 },
    );
  }
  writeFileSync(join(store, 'index.jsonl'), indexLines(events));
}
