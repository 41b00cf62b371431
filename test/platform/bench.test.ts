import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { measures } from '../../src/measures/index.js';
import type { MeasureSpec } from '../../src/models/measure.js';
import { rhm } from '../support/run.js';

/** The training benchmarks report what they ran and measured; speed is not tested. */
const test = suite('rhm bench');

async function bench(...args: string[]) {
  const { code, stdout, stderr } = await rhm(['bench', ...args, '--executor', 'wasm', '--threads', '2', '--json']);
  assert.is(code, 0, stderr);
  const report = JSON.parse(stdout);
  assert.match(report.executor, /^WebAssembly SIMD, 2 threads(, fused multiply-add)?$/);
  return report;
}

test('train: one line per case, batch and number of replicas', async () => {
  const { results } = await bench(
    'train',
    '--cases',
    'hcnn-small',
    '--batches',
    '4,8',
    '--replicas',
    '1,2',
    '--steps',
    '3',
  );
  assert.equal(
    results.map((r: { batch: number; replicas: number }) => [r.batch, r.replicas]),
    [
      [4, 1],
      [4, 2],
      [8, 1],
      [8, 2],
    ],
  );
  for (const r of results) {
    assert.ok(r.us_per_step > 0);
    assert.ok(Math.abs((r.samples_per_s * r.us_per_step) / (r.batch * r.replicas * 1e6) - 1) < 0.01);
  }
});

test('growth: sizes one at a time, threads, and another executor in turn', async () => {
  const { results, against } = await bench(
    'growth',
    '--filter',
    'hcnn w=64, batch 32, 1 replica,',
    '--rounds',
    '1',
    '--against',
    'swiftshader',
  );
  assert.match(against, /SwiftShader/);
  assert.equal(
    results.map((r: { width: number; threads: number }) => [r.width, r.threads]),
    [
      [64, 1],
      [64, 2],
    ],
  );
  for (const r of results) assert.ok(r.us_per_step > 0 && r.against > 0, JSON.stringify(r));
});

test('measures: the share of the whole run follows from what was timed', async () => {
  const { results } = await bench('measures', '--cases', 'hcnn-small', '--batches', '4', '--steps', '3');
  const [r] = results;
  assert.is(r.steps, 65536);
  assert.is(r.evaluations, 60);
  assert.equal(
    Object.keys(r.measure_ms),
    Object.entries<MeasureSpec>(measures).flatMap(([name, { needs }]) => (needs ? [] : [name])), // the others need particular experiments
  );
  const measured = (Object.values(r.measure_ms) as number[]).reduce((a, b) => a + b, 0);
  const once = r.evaluation_ms + measured;
  const whole = (65536 * r.us_per_step) / 1000 + 60 * once;
  assert.ok(Math.abs(r.share.both - (60 * once) / whole) < 1e-9);
  assert.ok(Math.abs(r.share.both - r.share.evaluation - r.share.measures) < 1e-9);
});

test('an unknown case is refused', async () => {
  const { code, stderr } = await rhm(['bench', 'measures', '--cases', 'hcnn-tiny']);
  assert.is(code, 2);
  assert.match(stderr, /No case hcnn-tiny; there are hcnn-v16/);
});

test.run();
