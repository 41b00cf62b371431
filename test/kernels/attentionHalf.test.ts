import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { attention } from '../../src/kernels/attention.js';
import { attentionBackward } from '../../src/kernels/attentionBackward.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { attentionCase } from '../../src/kernels/shared/attention.cases.js';
import type { KernelCase } from '../../src/kernels/shared/types.js';
import { runCase } from '../../src/kernels/tools/check.js';
import type { Executor } from '../../src/plan/executor.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { testAdapters } from '../support/gpu.js';

/**
 * Which factors attention rounds. A weight near the midpoint between two halves may be rounded either way, so single elements differ by
 * as much as rounding changes them; the median does not.
 */
const test = suite('attention with half-precision factors');
const wasm = wasmExecutor();
test.after(() => wasm.destroy());

const shape = { replicas: 1, batch: 4, tokens: 16, heads: 4, dim: 16 };
const forward = (half: boolean): KernelCase => ({
  name: 'forward',
  ...attentionCase(
    (plan, make) => {
      const { options, ...tensors } = make(plan);
      attention(plan, { ...options, ...tensors });
    },
    { ...shape, half },
  ),
});
const backward = (half: boolean): KernelCase => ({
  name: 'backward',
  ...attentionCase(
    (plan, make) => {
      const { qkv, out, logsumexp, scaling, options } = make(plan);
      attention(plan, { ...options, qkv, out, logsumexp });
      const dOut = plan.program.persistent('dOut', out.shape.slice(1));
      const dQkv = plan.program.persistent('dQkv', qkv.shape.slice(1));
      attentionBackward(plan, { ...options, qkv, out, logsumexp, dOut, dQkv, scaling });
    },
    { ...shape, half },
    true,
  ),
});

function median(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const all = Array.from(a, (x, i) => Math.abs(x - b[i])).sort((x, y) => x - y);
  return all[all.length >> 1];
}

/** The elements of every fourth token in one third of its row: kernels treat each of four rows in separate code. */
function parts(slot: string, values: ArrayLike<number>): number[][] {
  const thirds = slot === 'dQkv' ? 3 : 1;
  const channels = shape.heads * shape.dim;
  const groups: number[][] = Array.from({ length: 4 * thirds }, () => []);
  for (let i = 0; i < values.length; i++) {
    const third = Math.floor(i / channels) % thirds;
    const token = Math.floor(i / (thirds * channels)) % shape.tokens;
    groups[4 * third + (token % 4)].push(values[i]);
  }
  return groups;
}

/** share: fraction of the difference that rounding makes. */
async function check(executor: Executor, share: number): Promise<void> {
  const reference = referenceExecutor();
  for (const [make, slot] of [
    [forward, 'out'],
    [backward, 'dQkv'],
  ] as const) {
    const got = (await runCase(make(true), executor))[slot];
    const want = (await runCase(make(true), reference))[slot];
    const plain = (await runCase(make(false), reference))[slot];
    const [gotParts, plainParts] = [parts(slot, got), parts(slot, plain)];
    for (const [i, wanted] of parts(slot, want).entries()) {
      const rounding = median(plainParts[i], wanted);
      assert.ok(rounding > 2e-5, `${slot} ${i}: rounding changes it by ${rounding}`);
      const off = median(gotParts[i], wanted);
      assert.ok(off < share * rounding, `${slot} ${i}: ${off} of ${rounding}`);
    }
  }
}

test('WebAssembly rounds the same factors as the reference', () => check(wasm, 0.1));

for (const adapter of testAdapters)
  for (const variant of ['rows', 'tiled'] as const)
    test(`${adapter}, ${variant}: the same`, async () => {
      const gpu = await openNodeGpu({ adapter });
      try {
        const choose = (op: string) => (op.startsWith('attention') ? variant : undefined);
        // The gradient by rows computes the sum of P dP from the rounded results: its error is that of single weights.
        await check(gpuExecutor(gpu, undefined, { choose }), variant === 'rows' ? 0.6 : 0.1);
      } finally {
        await gpu.release();
      }
    });

test.run();
