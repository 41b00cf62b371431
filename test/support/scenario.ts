/** Bundles the platform scenario beside the built package, and checks its outcome. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as assert from 'uvu/assert';
// @ts-expect-error: a script of the build, which has no declarations
import { inlinedFiles } from '../../src/build/inlined.mjs';
import type { Outcome } from '../platform/fixtures/scenario.js';

export type { Outcome };

/** A folder in build/ with the given fixtures bundled as name.js; the caller removes it. */
export async function bundleFixtures(
  platform: 'node' | 'browser',
  names: readonly string[],
  from = 'test/platform/fixtures',
): Promise<string> {
  const esbuild = await import('esbuild');
  mkdirSync('build', { recursive: true });
  const outdir = mkdtempSync(resolve('build/fixtures-'));
  await esbuild.build({
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform,
    packages: platform === 'node' ? 'external' : undefined,
    plugins: [inlinedFiles],
    entryPoints: Object.fromEntries(names.map((name) => [name, resolve(from, `${name}.ts`)])),
    outdir,
    logLevel: 'warning',
  });
  return outdir;
}

/** Where a worker's script of the built package is. */
export const built = (name: string): string => join(resolve('dist'), name);

/** @throws AssertionError naming what the platform did not do. */
export function assertOutcome(outcome: Outcome, runtime: RegExp): void {
  assert.match(outcome.adapter.runtime, runtime);
  assert.equal(
    outcome.squares,
    Array.from({ length: 101 }, (_, i) => i * i),
    'the GPU squares numbers',
  );
  const { doctorInWorker, reports } = outcome;
  assert.match(doctorInWorker.adapter.runtime, runtime);
  assert.ok(doctorInWorker.kernels.length >= 1 && doctorInWorker.ok, JSON.stringify(doctorInWorker.kernels));
  assert.ok(
    doctorInWorker.matmuls.length === 3 && doctorInWorker.matmuls.every((m) => m.gflops > 0),
    'three matmuls are timed',
  );
  assert.ok(reports.length >= 3, 'progress came from the worker');
  const [here, inWorker] = outcome.sentences;
  assert.is(here.length, 9 * 4);
  assert.equal(inWorker, here, 'the worker samples the same sentences');
  for (const [i, run] of outcome.trained.entries()) {
    assert.is(run.executor, ['wasm', 'webgpu'][i]);
    assert.is(run.reason, 'done');
    assert.ok(run.losses.length >= 2 && run.losses.every(Number.isFinite), JSON.stringify(run));
    assert.equal(run.lossesTold, run.losses, 'every record came through the callback');
    assert.ok(run.checkpointBytes > 0, 'weights come back');
  }
  const [wasm, webgpu] = outcome.trained.map((run) => run.losses);
  wasm.forEach((loss, i) => {
    assert.ok(Math.abs(loss - webgpu[i]) < 1e-4, `the executors agree: ${wasm} and ${webgpu}`);
  });
  const [first, ...others] = outcome.logits;
  assert.is(others.length, 3);
  assert.equal(first.shape, [9, 5]);
  assert.ok(
    first.data.length === 45 && first.data.every(Number.isFinite) && first.data.some((x) => Math.abs(x) > 0.01),
  );
  for (const { data } of others)
    for (const [i, x] of data.entries())
      assert.ok(Math.abs(x - first.data[i]) < 1e-5, `logit ${i}: ${x} and ${first.data[i]}`);
  const { group } = outcome;
  assert.equal(group.reasons, ['done', 'done', 'failed']);
  assert.equal(group.told, [0, 1]);
  assert.is(group.refused[0].name, 'InputError');
  assert.match(group.refused[0].message, /budget.batch: 16 sentences per step, budget.sentences P = 4/);
  assert.equal(group.losses, group.alone, 'the bits of runs alone');
  const { reasons, stoppedAt, held, resumed, whole } = outcome.folders;
  assert.equal(reasons, ['interrupted', 'done', 'done']);
  assert.ok(stoppedAt >= 16 && stoppedAt < 30000, `the signal came through: stopped at ${stoppedAt}`);
  assert.is(held.name, 'InputError');
  assert.match(held.message, /contains experiment/);
  assert.equal(resumed, whole, 'the folder keeps what continues to the same bits');
  assert.is(outcome.invalid.name, 'InputError');
  assert.ok(outcome.invalid.ours);
  assert.is(outcome.sum, 5);
  assert.equal(outcome.refused, { name: 'InputError', message: 'width: got -1; pass a whole number >= 1', ours: true });
  assert.equal(outcome.blundered, { name: 'TypeError', message: 'x is not a function', ours: false });
  for (const [key, reason] of [
    ['crashed', /crashed: .*out of everything/],
    ['afterCrash', /crashed: .*out of everything/],
    ['rejected', /crashed: .*forgotten promise/],
    ['terminated', /^The worker was terminated$/],
    ['missingScript', /no-such-worker/],
  ] as const) {
    assert.is(outcome[key].name, 'WorkerError', key);
    assert.ok(outcome[key].ours, `${key}: the package's own class`);
    assert.match(outcome[key].message, reason);
  }
  assert.ok(outcome.roundsBeforeTermination >= 3, 'callbacks arrived while the worker was busy');
  assert.is(outcome.endedReason, 'The worker was terminated');
}
