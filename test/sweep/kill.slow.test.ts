/**
 * A sweep whose workers are killed (kill -9) at random moments, and once its supervisor: afterwards every run is there exactly once, with
 * the bits of an undisturbed sweep. RHM_SOAK=1: 200 runs and 30 kills, on WebAssembly and on a software Vulkan driver.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { threefry } from '../../src/core/threefry.js';
import { rhm } from '../support/run.js';
import { assertSameRuns, children } from './support.js';

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
    steps: soak ? 12000 : 8000,
    kills: soak ? 30 : 3,
    meanMs: soak ? 700 : 500,
  },
  {
    name: 'webgpu',
    flags: ['--adapter', 'swiftshader'],
    runs: soak ? 200 : 2,
    steps: soak ? 150 : 40,
    kills: soak ? 30 : 1,
    meanMs: soak ? 4000 : 2000,
  },
];

for (const { name, flags, runs, steps, kills, meanMs } of cases)
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

    const undisturbed = await rhm(args(whole), { timeoutSeconds: 1500 });
    assert.is(undisturbed.code, 0, undisturbed.stderr);

    const random = (i: number, j: number) => threefry([2026, 7], i, j)[0] / 2 ** 32;
    let killed = 0;
    let supervisorsKilled = 0;
    let sweep = start(args(broken));
    while (!sweep.over) {
      await new Promise((done) => setTimeout(done, 2 * meanMs * random(killed, 0)));
      if (sweep.over) break;
      if (killed >= kills / 2 && !supervisorsKilled) {
        sweep.child.kill('SIGKILL');
        await sweep.ended;
        supervisorsKilled++;
        sweep = start(args(broken)); // at once: its orphans may still be at work
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
    const again = JSON.parse((await rhm(args(broken))).stdout.trim().split('\n').at(-1)!);
    assert.equal([again.trained, again.present, again.failed], [0, runs, []], 'nothing is left to do');
    const status = JSON.parse((await rhm(['sweep', 'status', broken, '--json'])).stdout);
    assert.equal([status.total, status.done, status.waiting], [runs, runs, 0]);
  });

function start(args: readonly string[]): {
  child: ChildProcess;
  over: boolean;
  ended: Promise<{ code: number | null; output: string }>;
} {
  const child = spawn(process.execPath, [resolve('dist/cli.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4000);
    });
  const started = {
    child,
    over: false,
    ended: new Promise<{ code: number | null; output: string }>((done) =>
      child.on('exit', (code) => {
        started.over = true;
        done({ code, output });
      }),
    ),
  };
  return started;
}

test.run();
