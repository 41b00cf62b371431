/**
 * A training call in a worker thread: this thread stays free, receives every evaluation, and ends the run when the loss is low
 * enough; `rhm train --init` can start from the checkpoint that is returned. node trainInWorker.mjs [loss]
 */
import { startWorker } from 'rhm-lab/node'; // in a page: rhm-lab/web, in Deno: rhm-lab/deno

const enough = Number(process.argv[2] ?? 0.9); // nats
const experiment = {
  grammar: { v: 8, m: 2, s: 2, L: 3, seed: 1 },
  model: { kind: 'hcnn', width: 64 },
  budget: { batch: 32, steps: 100_000 },
  evaluation: { size: 1024 },
};

const worker = await startWorker();
const controller = new AbortController();
let ticks = 0; // this thread continues with other work
const clock = setInterval(() => ticks++, 1);
try {
  const run = await worker.api.train(experiment, {
    executor: 'wasm',
    signal: controller.signal,
    onRecord(record) {
      if (record.type !== 'eval') return;
      console.log(`${record.samples} sentences: test loss ${record.loss.toFixed(4)}`);
      if (record.loss < enough) controller.abort('the loss is low enough');
    },
  });
  console.log(
    `${run.reason} at step ${run.step}; a checkpoint of ${run.checkpoint.byteLength} bytes; ${ticks} ticks here`,
  );
} finally {
  clearInterval(clock);
  await worker.terminate(); // waits for the worker to finish its work
}
