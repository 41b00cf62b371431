import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseRecords, type RunRecord } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { threefry } from '../../src/core/threefry.js';
import { rhm } from '../support/run.js';

/** `rhm train` in a separate process, ended half way. RHM_SOAK=1: a hundred times. */
const KILLS = process.env.RHM_SOAK ? 100 : 5;
const test = suite('killed runs');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-kill-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const settings =
  'model=hcnn model.width=16 grammar.v=6 grammar.m=2 grammar.L=2 budget.batch=16 budget.steps=40000 evaluation.size=64';
const args = (out: string, ...more: string[]) => [
  'train',
  '--set',
  ...settings.split(' '),
  '--executor',
  'wasm',
  '--threads',
  '1',
  '--checkpoint-seconds',
  '0.02',
  '--out',
  out,
  ...more,
];

interface Ended {
  code: number | null;
  signal: string | null;
  stderr: string;
}

function start(
  out: string,
  ...more: string[]
): { child: ChildProcess; ended: Promise<Ended>; said(text: RegExp): Promise<void> } {
  const child = spawn(process.execPath, [resolve('dist/cli.js'), ...args(out, ...more)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  const waiting = new Set<() => void>();
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    stderr += text;
    for (const look of waiting) look();
  });
  const ended = new Promise<Ended>((done) => child.on('close', (code, signal) => done({ code, signal, stderr })));
  return {
    child,
    ended,
    said: (text) =>
      new Promise((done, fail) => {
        const look = () => text.test(stderr) && done();
        waiting.add(look);
        look();
        void ended.then(() => fail(new Error(`it ended without saying ${text}: ${stderr}`)));
      }),
  };
}

/** Evaluations without their times, and every tensor of the last checkpoint. */
function outcome(out: string) {
  const { records, problems } = parseRecords(readFileSync(join(out, 'records.jsonl'), 'utf8'));
  assert.equal(problems, []);
  const { tensors, metadata } = decodeSafetensors(new Uint8Array(readFileSync(join(out, 'checkpoint.safetensors'))));
  const evals = records.flatMap((r: RunRecord) => (r.type === 'eval' ? [{ ...r, elapsed_ms: 0 }] : []));
  return { evals, step: metadata.step, tensors: [...tensors] };
}

let whole: ReturnType<typeof outcome>;
let wholeMs = 0;

test('uninterrupted', async () => {
  const out = join(scratch, 'whole');
  const began = Date.now();
  const run = start(out);
  await run.said(/MiB there/);
  const { code, stderr } = await run.ended;
  wholeMs = Date.now() - began;
  assert.is(code, 0, stderr);
  whole = outcome(out);
  assert.is(whole.step, '40000');
});

test(`${KILLS} times killed at a random moment and resumed: the same bits`, async () => {
  let interrupted = 0;
  for (let i = 0; i < KILLS; i++) {
    const out = join(scratch, `kill-${i}`);
    const { child, ended } = start(out);
    const delay = (threefry([2025, 5], i, 0)[0] / 2 ** 32) * wholeMs;
    const timer = setTimeout(() => child.kill('SIGKILL'), delay);
    const { signal } = await ended;
    clearTimeout(timer);
    if (signal === 'SIGKILL') interrupted++;
    // The bits do not depend on the number of threads either.
    const resumed = await rhm(args(out, '--resume', '--threads', String(1 + (i % 3))));
    assert.is(resumed.code, 0, `after ${delay} ms: ${resumed.stderr}`);
    assert.equal(outcome(out), whole, `killed after ${delay} ms`);
    rmSync(out, { recursive: true });
  }
  assert.ok(interrupted > KILLS / 3, `only ${interrupted} runs were still going when they were killed`);
});

const statuses = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  test(`${signal}: saves, says how to continue, exits; resumed to the same bits; meanwhile no other process gets in`, async () => {
    const out = join(scratch, signal);
    const run = start(out);
    await run.said(/MiB there/);
    const second = await rhm(args(out, '--resume'));
    run.child.kill(signal);
    const { code, stderr } = await run.ended;
    assert.is(second.code, 1);
    assert.match(second.stderr, new RegExp(`FileError: .*process ${run.child.pid} on .* is working in this folder`));
    assert.is(code, statuses[signal], stderr);
    assert.match(stderr, new RegExp(`${signal}: saving a checkpoint`));
    assert.ok(Number(outcome(out).step) < 40000, 'it was over before the signal came');
    const resumed = await rhm(args(out, '--resume'));
    assert.is(resumed.code, 0, resumed.stderr);
    assert.equal(outcome(out), whole);
  });

test.run();
