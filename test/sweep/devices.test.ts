/** The scheduler with workers that each have a device: devices that are lost, broken from the start, or too small. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdapterError, DeviceLostError, GpuError, InputError, WorkerError } from '../../src/core/errors.js';
import type { ChunkRun, RunOutcome, SweepWorker } from '../../src/sweep/chunk.js';
import { expandGrid, type SweepRun } from '../../src/sweep/grid.js';
import { runSweep, type SweepEvent } from '../../src/sweep/schedule.js';
import { failure } from '../support/gpu.js';
import { MemoryStore } from './memoryStore.js';

const test = suite('a sweep over several devices');

const grid = async (seeds: number): Promise<readonly SweepRun[]> => {
  const base = { model: { kind: 'hcnn', width: 8 }, grammar: { v: 6, m: 2, L: 2 }, budget: { batch: 8, steps: 50 } };
  return (await expandGrid({ base, seeds })).runs;
};
const done = (run: ChunkRun): RunOutcome => ({ hash: run.hash, result: 'done', fresh: true, loss: 1, step: 50 });
const soon = () => new Promise((resolve) => setTimeout(resolve, 10));

interface Device {
  start?: (times: number) => void; // may throw
  train?: (runs: readonly ChunkRun[], times: number) => unknown; // likewise, and may take a while
}

/** Sweeps runs over devices with scripted behaviour; returns which device got which packs. */
async function sweep(runs: readonly SweepRun[], devices: readonly Device[], replicas = 4) {
  const events: SweepEvent[] = [];
  const packs: number[][] = devices.map(() => []);
  const starts = devices.map(() => 0);
  const store = new MemoryStore();
  const startWorker = async (index: number): Promise<SweepWorker> => {
    await soon();
    devices[index].start?.(++starts[index]);
    return {
      place: `card ${index}`,
      limits: { replicas },
      async train(chunk) {
        packs[index].push(chunk.length);
        await soon();
        await devices[index].train?.(chunk, packs[index].length);
        return chunk.map(done);
      },
      close: async () => {},
    };
  };
  const result = await runSweep(runs, store, {
    startWorker,
    workers: devices.length,
    ownDevices: true,
    onEvent: (event) => events.push(event),
  });
  const givenUp = events.flatMap((event) => (event.type === 'device' ? [`${event.place}: ${event.error}`] : []));
  return { result, events, packs, starts, givenUp, entries: await store.read() };
}

const lose = () => {
  throw new DeviceLostError('the device is gone');
};

test('packs go to idle cards; the progress and the index name the card', async () => {
  const { result, packs, events, entries } = await sweep(await grid(12), [{}, {}, {}]);
  assert.equal([result.trained, result.failed], [12, []]);
  assert.equal(packs, [[4], [4], [4]]);
  const last = events.at(-1)!;
  assert.ok(last.type === 'progress');
  assert.equal(
    last.view.cards!.map(({ card, done }) => [card, done]),
    [
      ['card 0', 4],
      ['card 1', 4],
      ['card 2', 4],
    ],
  );
  assert.ok([...entries.values()].every(({ state }) => state === 'done'));
});

test('packs of the last round are as full as the others: no device waits for one that got two', async () => {
  const { packs } = await sweep(await grid(20), [{}, {}, {}], 8);
  assert.equal(packs, [[7], [7], [6]]);
  const more = await sweep(await grid(26), [{}, {}, {}], 8);
  assert.equal(more.packs.flat().sort(), [4, 4, 4, 4, 5, 5]);
});

test('a worker that dies once costs its pack’s time: the pack is tried whole, its card goes on', async () => {
  const { result, packs, givenUp } = await sweep(await grid(16), [
    {},
    {
      train: (_, times) => {
        if (times === 1) throw new WorkerError('killed');
      },
    },
  ]);
  assert.equal([result.trained, result.failed, givenUp], [16, [], []]);
  assert.equal(packs.flat(), [4, 4, 4, 4, 4]);
});

test('a card that is gone is abandoned and its runs are trained by the others, none set aside', async () => {
  const { result, packs, givenUp, events } = await sweep(await grid(40), [{}, { train: lose }, {}]);
  assert.equal([result.trained, result.failed], [40, []]);
  assert.equal(givenUp, ['card 1: DeviceLostError: the device is gone']);
  assert.ok(packs[1].length >= 3, 'three losses in a row');
  assert.ok(
    packs.flat().every((size) => size >= 3),
    'packs stay whole',
  );
  assert.ok(events.some((event) => event.type === 'retry'));
});

test('single runs that a card loses are tried elsewhere, and are not set aside because of it', async () => {
  const { result, packs } = await sweep(await grid(9), [{}, { train: lose }], 1);
  assert.equal([result.trained, result.failed], [9, []]);
  assert.ok(packs[1].length <= 3, `${packs[1]}`);
});

test('a card that does not start is abandoned; even the first one', async () => {
  const broken = {
    start: () => {
      throw new AdapterError('no adapter');
    },
  };
  const slow: Device = { train: () => new Promise((resolve) => setTimeout(resolve, 100)) };
  const { result, starts, givenUp } = await sweep(await grid(60), [broken, slow]);
  assert.equal([result.trained, result.failed], [60, []]);
  assert.equal(starts[0], 3);
  assert.match(givenUp.join(), /AdapterError: no adapter/);
  const message = (
    await failure(() => sweep([], [broken]).then(() => grid(2).then((runs) => sweep(runs, [broken, broken]))))
  ).message;
  assert.is(message, 'no adapter', 'where none starts, the sweep ends');
});

test('wrong input ends the sweep at once, on any device', async () => {
  const wrong = {
    start: () => {
      throw new InputError('executor: got x');
    },
  };
  const runs = await grid(8);
  assert.instance(await failure(() => sweep(runs, [{}, wrong])), InputError);
});

test('packs that are too large for every card are cut in halves; no card is blamed', async () => {
  const small: Device = {
    train: (runs) => {
      if (runs.length > 2) throw new GpuError('more than is free');
    },
  };
  const { result, givenUp, packs } = await sweep(await grid(32), [small, small], 8);
  assert.equal([result.trained, result.failed, givenUp], [32, [], []]);
  assert.ok(packs.flat().filter((size) => size === 2).length >= 16);
});

test('a card whose memory is used by another program: the others take its packs whole', async () => {
  const full: Device = {
    train: () => {
      throw new GpuError('more than is free');
    },
  };
  const { result, packs, givenUp } = await sweep(await grid(60), [{}, full, {}]);
  assert.equal([result.trained, result.failed], [60, []]);
  assert.equal(givenUp, ['card 1: GpuError: more than is free']);
  assert.ok(
    [...packs[0], ...packs[2]].every((size) => size === 4),
    `${packs}`,
  );
});

test('a run that crashes every card is set aside, the others are trained, no card is abandoned because of it', async () => {
  const runs = await grid(6);
  const poisoned: Device = {
    train: (chunk) => {
      if (chunk.some(({ hash }) => hash === runs[2].hash)) throw new WorkerError('crashed');
    },
  };
  const { result, givenUp } = await sweep(runs, [poisoned, poisoned], 2);
  assert.equal([result.trained, result.failed.map(({ run }) => run.hash)], [5, [runs[2].hash]]);
  assert.equal(givenUp, []);
});

test.run();
