/** How `rhm watch` reads a store while workers write to it, and how it answers. */
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Watcher } from '../../src/cli/watch/watcher.js';
import { InputError } from '../../src/core/errors.js';
import { thisProcess } from '../../src/platform/processIdentity.js';
import { serveFolder } from '../../src/platform/staticServer.js';
import { type IndexEvent, indexLines } from '../../src/sweep/store.js';
import { failure } from '../support/gpu.js';
import { makeSyntheticStore, syntheticHash } from '../support/syntheticStore.js';

const test = suite('watching a store');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-watch-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const all = { where: '', sort: '', reverse: false, count: 12 };
const pause = () => new Promise((done) => setTimeout(done, 450)); // answers are cached for a moment
function storeOf(name: string, count: number): string {
  const store = join(scratch, name);
  makeSyntheticStore(store, count);
  return store;
}
const note = (store: string, ...events: IndexEvent[]) => appendFileSync(join(store, 'index.jsonl'), indexLines(events));

test('counts, failures, losses and a selection of curves over their plateaus', async () => {
  const store = storeOf('counts', 30);
  const watcher = new Watcher(store, true);
  const state = await watcher.state({ ...all, sort: 'loss', count: 5 });
  assert.equal([state.total, state.matched], [30, 30]);
  assert.equal(state.counts, { done: 27, diverged: 0, running: 0, failed: 3, waiting: 0 });
  assert.equal([state.failed, state.failures.map(({ name }) => name)], [3, ['seed=29', 'seed=19', 'seed=9']]);
  assert.match(state.failures[0].error, /it is gone/);
  assert.is(
    state.losses!.bins.reduce((a, b) => a + b),
    27,
  );
  assert.equal(
    state.curves.map(({ name }) => name),
    ['seed=0', 'seed=1', 'seed=2', 'seed=3', 'seed=4'],
  );
  const [first] = state.curves;
  assert.is(first.plateaus.length, 3);
  assert.equal(
    first.points.map(([samples]) => samples),
    [8, 16, 32],
  );
  assert.match(first.nearest!, /^H\(\d\) [+-] \d\.\d{3}$/);
  const highest = await watcher.state({ ...all, sort: 'loss', reverse: true, count: 1 });
  assert.is(highest.curves[0].name, 'seed=28');
});

test('conditions: those of the index and of experiments; conditions that would need every record are refused', async () => {
  const watcher = new Watcher(storeOf('conditions', 20), true);
  const matched = async (where: string) => (await watcher.state({ ...all, where })).matched;
  assert.is(await matched('state=failed'), 2);
  assert.is(await matched('model.width=16 && seed<10 && state=done'), 4);
  assert.is(await matched('(seed == 3 || seed == 4) && loss > 1'), 2);
  for (const where of ['P_2<100', 'level=2', 'widht=3', 'seed >'])
    assert.instance(await failure(() => watcher.state({ ...all, where })), InputError, where);
  assert.match((await failure(() => watcher.state({ ...all, sort: 'model.width' }))).message, /rhm runs does it/);
});

test('lines that workers append are read from the previous end: half a line, half a character, another file', async () => {
  const store = storeOf('appended', 4);
  const index = join(store, 'index.jsonl');
  const watcher = new Watcher(store, true);
  const ask = async () => {
    await pause();
    return watcher.state(all);
  };
  assert.is((await watcher.state(all)).counts.done, 4);
  const line = Buffer.from(
    indexLines([{ run: syntheticHash(0), state: 'failed', at: Date.now(), tries: 1, error: 'Größe', name: 'ñ' }]),
  );
  const cut = line.indexOf(0xc3) + 1; // inside of a character
  appendFileSync(index, line.subarray(0, cut));
  assert.is((await ask()).counts.failed, 0);
  appendFileSync(index, line.subarray(cut));
  const after = await ask();
  assert.equal([after.counts.failed, after.failures[0].error, after.failures[0].name], [1, 'Größe', 'ñ']);
  appendFileSync(index, 'no JSON at all\n');
  assert.equal((await ask()).counts, after.counts);
  // A copy put in its place, without the last lines.
  writeFileSync(`${index}.new`, readFileSync(index).subarray(0, statSync(index).size - line.length - 20));
  renameSync(`${index}.new`, index);
  assert.is((await ask()).counts.failed, 0);
  // And one that is longer than what has been read.
  const longer = Array.from({ length: 9 }, (_, i) => ({
    run: syntheticHash(i),
    state: 'diverged' as const,
    at: 1,
    loss: null,
    name: 'n'.repeat(99),
  }));
  writeFileSync(`${index}.new`, indexLines(longer));
  renameSync(`${index}.new`, index);
  assert.equal((await ask()).counts, { done: 0, diverged: 9, running: 0, failed: 0, waiting: 0 });
});

test('workers: by the process that holds a run; a run whose process is gone waits', async () => {
  const store = storeOf('workers', 6);
  const old = Date.now() - 60_000;
  for (const i of [0, 1, 2, 3])
    note(store, { run: syntheticHash(i), state: 'running', at: old, by: 'process 1 on host, card 3' });
  for (const i of [0, 1])
    writeFileSync(join(store, 'runs', syntheticHash(i), 'run.lock'), JSON.stringify(thisProcess()));
  const watcher = new Watcher(store, true);
  const { counts, workers } = await watcher.state(all);
  assert.equal([counts.running, counts.waiting], [2, 2]);
  assert.is(workers.length, 1);
  const [{ by, adapter, count, fraction, runs }] = workers;
  assert.match(by, new RegExp(`^process ${process.pid} on `));
  assert.equal([adapter, count, fraction], ['card 3, none', 2, 1]);
  assert.equal(
    runs.map(({ name, step, steps }) => [name, step, steps]),
    [
      ['seed=0', 4, 4],
      ['seed=1', 4, 4],
    ],
  );
});

test('runs that a grid plans and that have not begun count as waiting; those of other grids do not count', async () => {
  const store = storeOf('planned', 5);
  const planned = new Map([0, 1, 7, 8, 9].map((i) => [syntheticHash(i), `named ${i}`]));
  const { total, counts, curves } = await new Watcher(store, true, planned).state(all);
  assert.equal([total, counts.done, counts.waiting], [5, 2, 3]);
  assert.equal(curves.map(({ name }) => name).sort(), ['named 0', 'named 1']);
});

test('the server: JSON for the one path, bad questions are refused, foreign hosts too', async () => {
  const page = join(scratch, 'page');
  makeSyntheticStore(page, 3);
  writeFileSync(join(page, 'index.html'), '<!doctype html><title>page</title>');
  const watcher = new Watcher(page, true);
  const server = await serveFolder(page, {
    answers: {
      '/api/state': (query) => watcher.state({ ...all, where: query.get('where') ?? '' }),
      '/api/broken': async () => {
        throw new TypeError('inside');
      },
    },
  });
  try {
    const good = await fetch(`${server.url}api/state`);
    assert.is(good.headers.get('content-type'), 'application/json');
    assert.is((await good.json()).total, 3);
    const bad = await fetch(`${server.url}api/state?where=widht%3D3`);
    assert.is(bad.status, 400);
    assert.match((await bad.json()).error, /did you mean model\.width/);
    assert.is((await fetch(`${server.url}api/other`)).status, 404);
    assert.is((await fetch(`${server.url}api/state`, { method: 'POST' })).status, 405);
    assert.instance(
      await failure(() => fetch(`${server.url}api/broken`)),
      TypeError,
      'what was not expected ends the connection',
    );
    assert.ok((await fetch(`${server.url}api/state`)).ok, 'and nothing else');
  } finally {
    await server.close();
  }
  assert.not(existsSync(join(page, 'experiments.jsonl')), 'nothing was asked of experiments');
});

test.run();
