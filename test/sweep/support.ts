/** Common parts of tests of sweeps. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { parseRecords } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { rhm } from '../support/run.js';

/** The outcome of a run: evaluations without their times, ends, and every tensor of its checkpoint. */
export function outcomeOf(folder: string) {
  const { records, problems } = parseRecords(readFileSync(join(folder, 'records.jsonl'), 'utf8'));
  assert.equal(problems, []);
  const { tensors, metadata } = decodeSafetensors(new Uint8Array(readFileSync(join(folder, 'checkpoint.safetensors'))));
  const evals = records.flatMap((r) => (r.type === 'eval' ? [{ ...r, elapsed_ms: 0 }] : []));
  const ends = records.filter((r) => r.type === 'end');
  return { evals, ends, step: metadata.step, tensors: [...tensors] };
}

/** Both stores contain the same runs, each once, with the same bits. */
export function assertSameRuns(store: string, other: string, count: number): void {
  const [runs, others] = [store, other].map((dir) => readdirSync(join(dir, 'runs')).sort());
  assert.is(runs.length, count);
  assert.equal(runs, others);
  for (const run of runs) {
    const [here, there] = [store, other].map((dir) => outcomeOf(join(dir, 'runs', run)));
    assert.equal(here, there, run);
    assert.is(here.ends.length, 1, `${run} ended once`);
    const steps = here.evals.map((e) => e.step);
    assert.equal(steps, [...new Set(steps)], `${run}: every evaluation once`);
  }
}

/**
 * Steps of an experiment that keep one thread of this machine busy for this long: a run that a test interrupts must last until
 * then, and cores differ by a factor of four. `scratch`: a folder of the test.
 */
export async function stepsLasting(seconds: number, base: { budget: object }, scratch: string): Promise<number> {
  const spec = join(scratch, 'probe.json');
  const steps = 100_000;
  writeFileSync(spec, JSON.stringify({ base: { ...base, budget: { ...base.budget, steps } }, seeds: 1 }));
  const args = ['--executor', 'wasm', '--threads', '1', '--isolate', 'none', '--json'];
  const { code, stdout, stderr } = await rhm(['sweep', 'run', spec, '--out', join(scratch, 'probe'), ...args]);
  assert.is(code, 0, stderr);
  return Math.round((seconds * steps) / JSON.parse(stdout.trim().split('\n').at(-1)!).seconds);
}

/** Process numbers of a process's children. Linux. */
export function children(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
