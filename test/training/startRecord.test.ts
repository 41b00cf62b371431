import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inspectRecords, type StartRecord } from '../../src/core/records.js';
import { deno, type Ran, rhm, run } from '../support/run.js';

const test = suite('the record of a start');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-start-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const settings =
  'model=hcnn model.width=8 grammar.v=6 grammar.m=2 grammar.L=2 budget.batch=8 budget.steps=4 evaluation.size=16';
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

async function startOf(name: string, more: string[], start: (args: string[]) => Promise<Ran>): Promise<StartRecord> {
  const out = join(scratch, name);
  const ran = await start(['train', '--set', ...settings.split(' '), '--out', out, ...more]);
  assert.is(ran.code, 0, ran.stderr);
  const { records, problems } = inspectRecords(readFileSync(join(out, 'records.jsonl'), 'utf8'));
  assert.equal(problems, []);
  return records[0] as StartRecord;
}

async function assertProgram(start: StartRecord): Promise<void> {
  assert.is(start.version, version);
  const head = await run('git', ['rev-parse', '--verify', 'HEAD']).catch(() => undefined);
  if (head?.code === 0) assert.match(start.commit!, /^[0-9a-f]{40}(-changed)?$/);
  assert.match(start.os!, new RegExp(`^\\S+( \\S+)? ${process.arch}$`));
  assert.match(start.processor!, /(^|, )\d+ cores?$/);
}

const wasm = ['--executor', 'wasm', '--threads', '1'];

test('WebAssembly: runtime without the WebGPU it does not use, no driver', async () => {
  const start = await startOf('wasm', wasm, rhm);
  await assertProgram(start);
  assert.is(start.runtime, `node ${process.versions.node}`);
  assert.is(start.executor, 'wasm');
  assert.is(start.adapter, 'WebAssembly SIMD, 1 thread');
  assert.is(start.driver, undefined);
  assert.match(start.os!, /^\S+ \S+ \S+$/);
});

test('WebGPU: adapter, driver and WebGPU implementation', async () => {
  const start = await startOf('webgpu', ['--adapter', 'swiftshader'], rhm);
  await assertProgram(start);
  assert.match(start.runtime!, /^node [\d.]+ \(Dawn, webgpu \d+\.\d+\.\d+\)$/);
  assert.is(start.executor, 'webgpu');
  assert.is(start.adapter, 'SwiftShader');
  assert.match(start.driver!, /SwiftShader/i);
});

test('Deno, with and without permission to query the system', async () => {
  for (const [name, leave] of [
    ['all', ['-A']],
    ['some', ['--allow-read', '--allow-write', '--allow-env', '--allow-sys=hostname', '--no-prompt']],
  ] as const) {
    const start = await startOf(name, wasm, (args) => deno(['run', ...leave, resolve('dist/cli.js'), ...args]));
    await assertProgram(start);
    assert.match(start.runtime!, /^deno \d+\.\d+\.\d+$/);
    assert.is(start.os!.split(' ').length, name === 'all' ? 3 : 2, start.os);
  }
});

test.run();
