/**
 * A sweep whose workers are killed (kill -9) at random moments, and once its supervisor: afterwards every run is there exactly once, with
 * the bits of an undisturbed sweep. RHM_SOAK=1: 200 runs and 30 kills, on WebAssembly, on a software Vulkan driver, and on two simulated
 * cards, which pass packs that die to each other.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { threefry } from '../../src/core/threefry.js';
import { rhm } from '../support/run.js';
import { startRhm } from './processes.js';
import { assertSameRuns, children, stepsLasting } from './support.js';

const soak = Boolean(process.env.RHM_SOAK);
const test = suite('killed sweeps');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-sweep-kill-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const cases = [
  {
    name: 'wasm',
    flags: ['--executor', 'wasm'],
    runs: soak ? 200 : 12,
    steps: 8000,
    kills: soak ? 30 : 3,
    meanMs: 500,
  },
  {
    name: 'webgpu',
    flags: ['--adapter', 'swiftshader'],
    runs: soak ? 200 : 2,
    steps: 40,
    kills: soak ? 30 : 1,
    meanMs: 1500,
  },
  {
    name: 'cards',
    flags: ['--pack', '2'],
    cards: true,
    runs: soak ? 200 : 8,
    steps: soak ? 40 : 200, // workers that lost their supervisor continue training: there must be work left for the next kill
    kills: soak ? 30 : 2,
    meanMs: 300,
  },
];

for (const { name, flags, cards, runs, steps, kills, meanMs } of cases)
  test(`${name}: ${runs} runs, two workers, ${kills} kills of workers and one of the supervisor`, async () => {
    const spec = join(scratch, `${name}.json`);
    const grid = {
      base: {
        model: { kind: 'hcnn', width: 16 },
        grammar: { v: 6, L: 2 },
        budget: { batch: 16, steps },
        evaluation: { size: 64, perDoubling: 2 },
      },
      grid: { 'grammar.m': [2, 3] },
      seeds: runs / 2,
    };
    writeFileSync(spec, JSON.stringify(grid));
    const [whole, broken] = [join(scratch, `${name}-whole`), join(scratch, `${name}-broken`)];
    const args = (out: string) => [
      'sweep',
      'run',
      spec,
      '--out',
      out,
      '--workers',
      '2',
      ...flags,
      '--checkpoint-seconds',
      '0.05',
      '--tries',
      '10',
      '--json',
    ];

    const folder = join(scratch, 'cards');
    if (cards) {
      mkdirSync(folder);
      for (const card of ['card0', 'card1']) writeFileSync(join(folder, card), '');
    }
    const env = cards ? { RHM_SIMULATED_CARDS: folder } : {};
    const undisturbed = await rhm(args(whole), { env, timeoutSeconds: 1500 });
    assert.is(undisturbed.code, 0, undisturbed.stderr);

    // Kills are spread over the sweep by the number of runs that have ended, so that a slow machine has no more of them than a
    // fast one.
    const random = (i: number, j: number) => threefry([2026, 7], i, j)[0] / 2 ** 32;
    let killed = 0;
    let supervisorsKilled = 0;
    let endedBefore = 0; // runs that ended under supervisors that were killed
    let sweep = startRhm(args(broken), env);
    const ended = () => endedBefore + (sweep.output.match(/"type":"run"/g)?.length ?? 0);
    while (!sweep.over) {
      await new Promise((done) => setTimeout(done, 20));
      if (sweep.over || ended() < Math.floor((killed * runs) / (kills + 2))) continue;
      await new Promise((done) => setTimeout(done, meanMs * random(killed, 0)));
      if (sweep.over) break;
      if (killed >= kills / 2 && !supervisorsKilled) {
        sweep.child.kill('SIGKILL');
        await sweep.ended;
        supervisorsKilled++;
        endedBefore = ended();
        sweep = startRhm(args(broken), env); // at once: its orphans may still be working
        continue;
      }
      const workers = children(sweep.child.pid!);
      if (killed >= kills || !workers.length) continue;
      process.kill(workers[Math.floor(random(killed, 1) * workers.length)], 'SIGKILL');
      killed++;
    }
    const { code, output } = await sweep.ended;
    assert.is(code, 0, output);
    assert.is(supervisorsKilled, 1, 'the sweep was over before its supervisor was killed');
    assert.is(killed, kills, 'the sweep was over before all kills');

    assertSameRuns(broken, whole, runs);
    const again = JSON.parse((await rhm(args(broken), { env })).stdout.trim().split('\n').at(-1)!);
    assert.equal([again.trained, again.present, again.failed], [0, runs, []], 'nothing is left to do');
    const status = JSON.parse((await rhm(['sweep', 'status', broken, '--json'])).stdout);
    assert.equal([status.total, status.done, status.waiting], [runs, runs, 0]);
  });

test('a worker that hangs is ended and its run continues; a run that crashes three is set aside, the others are trained', async () => {
  const spec = join(scratch, 'hang.json');
  const base = {
    model: { kind: 'hcnn', width: 16 },
    grammar: { v: 6, m: 2, L: 2 },
    budget: { batch: 16 },
    evaluation: { size: 64, perDoubling: 2 },
  };
  // The kills come at progress lines, one per second.
  const budget = { batch: 16, steps: await stepsLasting(7, base, scratch) };
  writeFileSync(spec, JSON.stringify({ base: { ...base, budget }, seeds: 2 }));
  const args = (out: string, ...more: string[]) => [
    ...['sweep', 'run', spec, '--out', join(scratch, out), '--executor', 'wasm', '--threads', '1', '--json'],
    ...['--checkpoint-seconds', '0.1', '--stall-seconds', '3', ...more],
  ];
  assert.is((await rhm(args('well', '--isolate', 'none'))).code, 0);

  const hanging = startRhm(args('hang'));
  await hanging.said(/"step":[1-9]\d\d/);
  process.kill(children(hanging.child.pid!)[0], 'SIGSTOP');
  const { code, output } = await hanging.ended;
  assert.is(code, 0, output);
  assert.match(output, /"type":"retry".*no sign of life for 3 s/);
  assertSameRuns(join(scratch, 'hang'), join(scratch, 'well'), 2);

  const poisoned = startRhm(args('poison'));
  let seen = 0;
  for (let deaths = 0; deaths < 3; deaths++) {
    // The first run of the grid each time it is being trained: its name is in the progress.
    const progress = /"running":\[\{"run":"[0-9a-f]+","name":"seed=0"/g;
    while (!poisoned.over && (poisoned.output.match(progress)?.length ?? 0) <= seen)
      await new Promise((done) => setTimeout(done, 20));
    assert.not(poisoned.over, poisoned.output);
    process.kill(children(poisoned.child.pid!)[0], 'SIGKILL');
    await poisoned.said(new RegExp(`(?:"type":"(?:retry|run)"[^\n]*seed=0[^]*){${deaths + 1}}`));
    seen = poisoned.output.match(progress)?.length ?? 0;
  }
  const ended = await poisoned.ended;
  assert.is(ended.code, 1, ended.output);
  const end = JSON.parse(ended.output.trim().split('\n').at(-1)!);
  assert.equal([end.trained, end.failed.length, end.failed[0].name], [1, 1, 'seed=0']);
  assert.match(end.failed[0].error, /WorkerError: worker process \d+ was ended by SIGKILL/);
  const retried = await rhm(args('poison', '--retry-failed'));
  assert.is(retried.code, 0, retried.stderr);
  assertSameRuns(join(scratch, 'poison'), join(scratch, 'well'), 2);
});

test.run();
