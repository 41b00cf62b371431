import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clockWords } from '../../src/core/clock.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { membersOf } from '../../src/training/members.js';
import { Trainer } from '../../src/training/trainer.js';
import type { WasmProgram } from '../../src/wasm/executor.js';

const test = suite('memory of WebAssembly with threads');

const STEPS = 100_000;
const MIB = 2 ** 20;

test('resident, host and WebAssembly memory stay flat over 10^5 steps on two threads', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Every command is cut in two, so that both threads work and meet at every barrier.
  const wasm = wasmExecutor({ threads: 2, spawn: spawnNodeThread, cutAll: true });
  const experiment = parseExperiment({
    grammar: { v: 4, m: 2, s: 2, L: 1, seed: 1 },
    model: { kind: 'hcnn', width: 4 },
    budget: { batch: 2, steps: STEPS },
    evaluation: { size: 4 },
  });
  const trainer = await Trainer.create(membersOf(experiment), wasm);
  const { memory } = (trainer.loaded as WasmProgram).arena;
  const seen: { resident: number; host: number; wasm: number }[] = [];
  for (let part = 0; part < 10; part++) {
    for (let piece = 0; piece < 100; piece++) await trainer.advance(STEPS / 1000);
    await trainer.evaluate();
    collect();
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
    seen.push({ resident: rss, host: heapUsed + external + arrayBuffers, wasm: memory.buffer.byteLength });
  }
  assert.is((await trainer.state())[0].clock[clockWords.step], STEPS);
  trainer.destroy();
  await wasm.destroy();
  const [after, end] = [seen[1], seen[9]];
  const told = seen.map((s) => `${(s.resident / MIB).toFixed(1)} ${(s.host / MIB).toFixed(2)} ${s.wasm / MIB}`);
  console.log(`MiB resident, of the host, of WebAssembly after every ${STEPS / 10} steps:\n${told.join('\n')}`);
  assert.is(end.wasm, seen[0].wasm);
  assert.ok(end.host - after.host < MIB / 2, told.join('\n'));
  assert.ok(end.resident - after.resident < 8 * MIB, told.join('\n'));
});

test.run();
