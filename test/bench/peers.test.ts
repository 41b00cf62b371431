import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { comparisons, comparisonTable, readPeer } from '../../src/cli/bench/peers.js';
import { rhm } from '../support/run.js';

/** Times of a training step compared with those of another program. */
const test = suite('bench train --peers');
const folder = mkdtempSync(join(tmpdir(), 'rhm-peers-'));
test.after(() => rmSync(folder, { recursive: true }));

const file = (name: string, lines: readonly unknown[]) => {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return path;
};
const row = (name: string, variant: string, us: number, batch = 128, replicas = 1) => ({
  ...{ case: name, variant, batch, replicas, us_per_step: us, samples_per_s: 1 },
});
const ours = (us: number, precision: 'f32' | 'f16', name = 'hcnn-v16') => ({
  ...{ case: name, batch: 128, replicas: 1, precision, us_per_step: us, samples_per_s: 1, memory_mib: 1 },
});

test('the fastest variant of a case counts, including its form as products', () => {
  const path = file('tf32.txt', [
    row('hcnn-v16', 'eager', 900),
    row('hcnn-v16-gemm', 'graph', 200),
    row('hcnn-v16-gemm', 'compile', 150),
    { case: 'mla-v16', variant: 'compile', error: 'no compiler' },
    '',
  ]);
  const peer = readPeer(path);
  assert.is(peer.name, 'tf32');
  assert.equal([...peer.times], [['hcnn-v16 128 1', 150]]);
  assert.is(readPeer(`TF32=${path}`).name, 'TF32');
});

test('ratios and the table', () => {
  const peer = readPeer(`TF32=${file('a.txt', [row('hcnn-v16', 'graph', 150)])}`);
  const refused = { case: 'mla-v32', batch: 128, replicas: 1, precision: 'f16' as const, error: 'too large' };
  const results = [ours(240, 'f32'), ours(120, 'f16'), refused];
  assert.equal(
    comparisons(results, [peer]).map(({ precision, ratio }) => [precision, ratio]),
    [
      ['f32', 1.6],
      ['f16', 0.8],
    ],
  );
  assert.is(
    comparisonTable(results, [peer]),
    `| us a step | this f32 | this f16 | TF32 | f32 / TF32 | f16 / TF32 |
| --- | --- | --- | --- | --- | --- |
| hcnn-v16 b128 | 240 | 120 | 150 | 1.60 | 0.80 |
| mla-v32 b128 | - | does not fit | - | - | - |`,
  );
});

test('bad files are refused by line, before anything is timed', async () => {
  assert.throws(() => readPeer(join(folder, 'none')), /--peers .*none: no such file; pass a readable file/);
  assert.throws(() => readPeer(file('b.txt', [row('a', 'x', 1), '{'])), /line 2: no JSON/);
  assert.throws(() => readPeer(file('c.txt', [{ case: 'a', batch: 1 }])), /line 1: expected case, batch, replicas/);
  assert.throws(() => readPeer(file('d.txt', [])), /holds no time/);
  const ran = await rhm(['bench', 'train', '--executor', 'wasm', '--peers', join(folder, 'none')]);
  assert.is(ran.code, 2);
  assert.match(ran.stderr, /none: no such file; pass a readable file/);
  assert.not.match(ran.stderr, /us_per_step/);
});

test('a case with its peer from the command line, in both precisions', async () => {
  const peer = file('e.txt', [row('hcnn-small', 'eager', 1000, 8)]);
  const args = ['bench', 'train', '--executor', 'wasm', '--threads', '1', '--cases', 'hcnn-small', '--batches', '8'];
  const rest = ['--replicas', '1', '--steps', '5', '--precision', 'f32,f16', '--peers', `PyTorch=${peer}`];
  const refused = await rhm([...args, ...rest]);
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /--emulate-f16/);
  const ran = await rhm([...args, ...rest, '--emulate-f16', '--json']);
  assert.is(ran.code, 0, ran.stderr);
  const { results, peers } = JSON.parse(ran.stdout);
  assert.equal(
    results.map((r: { precision: string }) => r.precision),
    ['f32', 'f16'],
  );
  assert.equal(
    peers.map((p: { peer: string }) => p.peer),
    ['PyTorch', 'PyTorch'],
  );
  assert.ok(
    peers.every((p: { ratio: number; us_per_step: number }) => Math.abs(p.ratio - p.us_per_step / 1000) < 1e-3),
  );
});

test.run();
