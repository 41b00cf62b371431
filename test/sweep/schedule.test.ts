/** The scheduler with real training in this process, and with workers that crash, hang and give wrong results. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceLostError, InputError, WorkerError } from '../../src/core/errors.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import {
  type ChunkHooks,
  type ChunkRun,
  type RunOutcome,
  type SweepWorker,
  trainChunk,
} from '../../src/sweep/chunk.js';
import { expandGrid, type SweepRun } from '../../src/sweep/grid.js';
import { repairStore } from '../../src/sweep/repair.js';
import { runSweep, type SweepEvent } from '../../src/sweep/schedule.js';
import { MemoryStore } from './memoryStore.js';

const test = suite('schedule of a sweep');
const executor = wasmExecutor({ threads: 1 });
test.after(() => executor.destroy());

const grid = async (seeds: number, more: object = {}): Promise<readonly SweepRun[]> =>
  (
    await expandGrid({
      base: {
        model: { kind: 'hcnn', width: 8 },
        grammar: { v: 6, m: 2, L: 2 },
        budget: { batch: 8, steps: 50 },
        evaluation: { size: 32 },
        ...more,
      },
      seeds,
    })
  ).runs;

const trainer = (store: MemoryStore) => (): Promise<SweepWorker> =>
  Promise.resolve({
    train: (runs, hooks) =>
      trainChunk(
        runs,
        { openFolder: store.openFolder, executor: async () => executor, host: { runtime: 'test' } },
        hooks,
      ),
    close: async () => {},
  });

/** A worker that calls `act` for each run. */
const acting = (act: (run: ChunkRun, hooks: ChunkHooks) => Promise<RunOutcome>) => async (): Promise<SweepWorker> => ({
  async train(runs, hooks) {
    const outcomes: RunOutcome[] = [];
    for (const run of runs) outcomes.push(await act(run, hooks));
    return outcomes;
  },
  close: async () => {},
});
const done = (run: ChunkRun): RunOutcome => ({ hash: run.hash, result: 'done', fresh: true, loss: 1, step: 50 });

test('trains the missing runs; again: nothing; one more value: only the new run', async () => {
  const store = new MemoryStore();
  const events: SweepEvent[] = [];
  const first = await runSweep(await grid(3), store, {
    startWorker: trainer(store),
    workers: 2,
    onEvent: (e) => events.push(e),
  });
  assert.equal([first.trained, first.present, first.failed, first.interrupted], [3, 0, [], false]);
  assert.is(events.filter((e) => e.type === 'run').length, 3);
  assert.is(events[0].type, 'begin');
  const last = events.at(-1)!;
  assert.ok(last.type === 'progress' && last.view.fraction === 1 && last.view.done === 3);
  const never = async () => assert.unreachable('no worker is needed');
  const second = await runSweep(await grid(3), store, { startWorker: never as never });
  assert.equal([second.trained, second.present], [0, 3]);
  const third = await runSweep(await grid(4), store, { startWorker: trainer(store) });
  assert.equal([third.trained, third.present], [1, 3]);
  const entries = await store.read();
  assert.ok([...entries.values()].every((e) => e.state === 'done' && typeof e.loss === 'number' && e.step === 50));
});

test('a run that crashes three workers is set aside with its error; the others are trained; --retry-failed', async () => {
  const runs = await grid(4);
  const store = new MemoryStore();
  let deaths = 0;
  let started = 0;
  let poisonous = true;
  const start = async () => {
    started++;
    return acting(async (run) => {
      if (poisonous && run.hash === runs[1].hash) {
        deaths++;
        throw new DeviceLostError('the driver crashed');
      }
      return done(run);
    })();
  };
  const events: SweepEvent[] = [];
  const result = await runSweep(runs, store, { startWorker: start, onEvent: (e) => events.push(e) });
  assert.is(deaths, 3);
  assert.is(result.trained, 3);
  assert.equal(result.failed, [{ run: runs[1], error: 'DeviceLostError: the driver crashed' }]);
  assert.ok(started >= 3, 'a worker that died is replaced');
  assert.is(events.filter((e) => e.type === 'retry').length, 2);
  const entry = (await store.read()).get(runs[1].hash)!;
  assert.equal([entry.state, entry.tries, entry.error], ['failed', 3, 'DeviceLostError: the driver crashed']);
  const again = await runSweep(runs, withFolders(store, runs), { startWorker: start });
  assert.equal([again.trained, again.failed.length, deaths], [0, 1, 3], 'it stays aside');
  poisonous = false;
  const retried = await runSweep(runs, withFolders(store, runs), { startWorker: start, retryFailed: true });
  assert.equal([retried.trained, retried.failed.length], [1, 0]);
});

test('a run that another engine can continue has not failed: the next sweep takes it up', async () => {
  const runs = await grid(2);
  const store = new MemoryStore();
  let here = false;
  const error = 'InputError: the run began with relaxed SIMD, which this engine lacks';
  const startWorker = acting(async (run) =>
    here || run.hash !== runs[0].hash ? done(run) : { hash: run.hash, result: 'elsewhere', fresh: true, error },
  );
  const result = await runSweep(runs, store, { startWorker });
  assert.is(result.trained, 1);
  assert.equal(result.failed, [{ run: runs[0], error }]);
  const entry = (await store.read()).get(runs[0].hash)!;
  assert.equal([entry.state, entry.error, entry.tries], ['waiting', error, 0]);
  here = true;
  const again = await runSweep(runs, withFolders(store, runs), { startWorker });
  assert.equal([again.trained, again.failed.length], [1, 0]);
});

/** Only the index says done: a store whose folders agree. */
function withFolders(store: MemoryStore, runs: readonly SweepRun[]): MemoryStore {
  store.folders = async () => new Set(runs.map((r) => r.hash));
  return store;
}

test('tries are remembered by the store: a supervisor that dies with its runs does not begin to count again', async () => {
  const runs = await grid(1);
  const store = new MemoryStore();
  await store.note([{ run: runs[0].hash, name: 'x', state: 'waiting', at: 1, tries: 2, error: 'crashed twice' }]);
  const result = await runSweep(runs, store, {
    startWorker: acting(async () => Promise.reject(new WorkerError('gone'))),
  });
  assert.is(result.failed.length, 1);
  assert.is((await store.read()).get(runs[0].hash)!.tries, 3);
});

test('if a chunk of several runs dies, none is blamed; they are tried in halves', async () => {
  const runs = await grid(4);
  const store = new MemoryStore();
  const chunks: string[][] = [];
  const result = await runSweep(runs, store, {
    startWorker: async () => ({
      limits: { replicas: 16 },
      async train(chunk) {
        chunks.push(chunk.map((r) => r.hash));
        if (chunk.some((r) => r.hash === runs[2].hash)) throw new WorkerError('gone');
        return chunk.map(done);
      },
      close: async () => {},
    }),
  });
  assert.equal([result.trained, result.failed.map((f) => f.run.hash)], [3, [runs[2].hash]]);
  assert.equal(
    chunks.map((c) => c.length),
    [4, 2, 2, 1, 1, 1, 1],
  );
});

test('a worker without a sign of life is ended, its run tried again', async () => {
  const runs = await grid(2);
  const store = new MemoryStore();
  let killed = 0;
  let hung = false;
  const result = await runSweep(runs, store, {
    stallMs: 200,
    startWorker: async () => {
      let end: (error: Error) => void = () => {};
      return {
        train: (chunk) =>
          new Promise((resolve, reject) => {
            end = reject;
            if (hung) resolve(chunk.map(done));
            hung = true;
          }),
        close: async () => {},
        kill() {
          killed++;
          end(new WorkerError('killed'));
        },
      };
    },
  });
  assert.equal([result.trained, result.failed.length], [2, 0]);
  assert.ok(killed >= 1);
});

test('wrong input fails at once; a worker that cannot start ends the sweep', async () => {
  const runs = await grid(2);
  let tries = 0;
  const result = await runSweep(runs, new MemoryStore(), {
    startWorker: acting(async (run) => {
      tries++;
      if (run.hash === runs[0].hash) return { hash: run.hash, result: 'failed', fresh: true, error: 'InputError: no' };
      return done(run);
    }),
  });
  assert.equal([tries, result.trained, result.failed[0].error], [2, 1, 'InputError: no']);
  try {
    await runSweep(runs, new MemoryStore(), { startWorker: () => Promise.reject(new InputError('executor: got x')) });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, InputError);
  }
  let starts = 0;
  try {
    await runSweep(runs, new MemoryStore(), {
      startWorker: () => Promise.reject(new WorkerError(`no script ${++starts}`)),
    });
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, 'no script 10');
  }
});

test('a run that another process is training is waited for: found complete, or taken over when that process dies', async () => {
  const runs = await grid(2);
  const store = new MemoryStore();
  const elsewhere = new MemoryStore();
  await runSweep([runs[0]], elsewhere, { startWorker: trainer(elsewhere) });
  for (const run of runs) store.held.add(run.hash);
  setTimeout(() => {
    store.runs.set(runs[0].hash, elsewhere.runs.get(runs[0].hash)!);
    store.held.clear();
  }, 300);
  const result = await runSweep(runs, store, { startWorker: trainer(store), busyMs: 50 });
  assert.equal([result.trained, result.present], [1, 1]);
});

test('two schedulers on one store train every run once', async () => {
  const runs = await grid(8);
  const store = new MemoryStore();
  const results = await Promise.all(
    [0, 1].map(() => runSweep(runs, store, { startWorker: trainer(store), workers: 2, busyMs: 20 })),
  );
  assert.is(results[0].trained + results[1].trained, 8);
  for (const r of results) assert.equal([r.trained + r.present, r.failed.length, r.interrupted], [8, 0, false]);
  for (const run of runs) {
    const records = (await store.file(run.hash, 'records.jsonl'))!;
    assert.is(records.match(/"type":"end"/g)!.length, 1);
    assert.is(records.match(/"type":"start"/g)!.length, 1, 'begun once');
  }
});

test('the signal: everything is saved, the same call continues to the same bits', async () => {
  const runs = await grid(3, { budget: { batch: 8, steps: 20_000 } });
  const [whole, broken] = [new MemoryStore(), new MemoryStore()];
  await runSweep(runs, whole, { startWorker: trainer(whole) });
  const stop = new AbortController();
  const first = await runSweep(runs, broken, {
    startWorker: trainer(broken),
    signal: stop.signal,
    onEvent: (e) => e.type === 'progress' && e.view.running.length > 0 && stop.abort(),
  });
  assert.is(first.interrupted, true);
  assert.ok(first.trained < 3);
  assert.ok([...(await broken.read()).values()].some((e) => e.state === 'waiting' && e.error === 'interrupted'));
  const second = await runSweep(runs, broken, { startWorker: trainer(broken) });
  assert.is(first.trained + second.trained, 3);
  for (const run of runs) assert.equal(await evals(broken, run), await evals(whole, run));
});

const evals = async (store: MemoryStore, run: SweepRun) =>
  (await store.file(run.hash, 'records.jsonl'))!
    .split('\n')
    .filter((l) => l.includes('"eval"'))
    .map((l) => l.replace(/,"elapsed_ms":\d+/, ''));

test('an index and folders that disagree are corrected, and the index survives a torn line', async () => {
  const runs = await grid(4);
  const store = new MemoryStore();
  await runSweep(runs, store, { startWorker: trainer(store) });
  const whole = store.index;
  // An index that is gone; one that was cut off in a line; a folder that is gone; a process that died.
  store.index = '';
  assert.equal(
    [...(await repairStore(store)).entries.values()].map((e) => e.state),
    ['done', 'done', 'done', 'done'],
  );
  store.index = whole.slice(0, -20);
  await store.note([{ run: runs[0].hash, state: 'running', at: 1, by: 'process 1' }]);
  store.runs.delete(runs[1].hash);
  store.runs.get(runs[2].hash)!.contents.delete('records.jsonl');
  const { entries } = await repairStore(store, { thorough: true });
  assert.equal(
    runs.map((r) => [entries.get(r.hash)!.state, entries.get(r.hash)!.error]),
    [
      ['done', undefined],
      ['waiting', 'its folder is gone; it will be run again'],
      ['waiting', 'its records are incomplete'],
      ['done', undefined],
    ],
  );
  const { repaired } = await repairStore(store);
  assert.is(repaired, 0, 'what was found is in the index');
  const again = await runSweep(runs, store, { startWorker: trainer(store) });
  assert.equal([again.trained, again.present], [2, 2]);
});

test.run();
