/**
 * Every kernel that any adapter may choose, against float64, on the adapter there is: software drivers alone would never run
 * kernels meant for GPUs. The list is taken from the kernels (variantOf) and from the shaders, so that new ones are run too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GpuSession } from '../../src/gpu/device.js';
import type { AdapterTraits, Dispatch } from '../../src/gpu/dispatch.js';
import { crossEntropyCase } from '../../src/kernels/crossEntropy.js';
import { gpuExecutor, kernelOf, kernels, referenceExecutor } from '../../src/kernels/index.js';
import { matmul } from '../../src/kernels/matmul.js';
import type { KernelCase } from '../../src/kernels/shared/types.js';
import { checkCase, runCase } from '../../src/kernels/tools/check.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import type { Tensor } from '../../src/plan/types.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { cases as embedBackwardCases, productCases } from './embedBackwardShapes.js';

const test = suite('every variant of every kernel');
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

/** Shapes that the operations' cases leave out because they are only useful here. */
const more: Readonly<Record<string, readonly KernelCase[]>> = {
  crossEntropy: [{ ...crossEntropyCase(['blocks of rows', 2 ** 18 + 300, 0, 8, false, 1]), replicas: 1 }],
  embedBackward: [...embedBackwardCases, ...productCases].filter(({ name }) =>
    ['ranges of windows', 'five places', 'ragged tiles', 'a long sum'].includes(name),
  ),
  matmul: [
    {
      name: 'a long sum in splits',
      replicas: 2,
      rtol: 2 ** -20,
      atol: 8 * 4204 * 2 ** -24, // f32 sums of 4204 products of normal numbers
      build(plan) {
        const [a, b, c] = [
          plan.program.persistent('a', [36, 4204]),
          plan.program.persistent('b', [24, 4204]),
          plan.program.persistent('c', [36, 24]),
        ];
        matmul(plan, {
          label: 'case',
          form: 'NT',
          m: 36,
          n: 24,
          k: 4204,
          a: { tensor: a },
          b: { tensor: b },
          c: { tensor: c },
        });
      },
    },
  ],
};

/** What to run for one case: the dispatches as the adapter with these traits would choose them. */
interface Trial {
  item: KernelCase;
  variants: Readonly<Record<string, string>>; // by operation
  software: boolean;
  dispatches: readonly Dispatch[];
}

interface Choices {
  fitting: readonly string[];
  usual: string;
}

const traitsOf = (software: boolean, chosen: Readonly<Record<string, string>>, seen?: Map<string, Choices>) => ({
  ...{ software, vendor: 'test', maxWorkgroupStorageBytes: gpu.limits.maxComputeWorkgroupStorageSize },
  // The smallest tile of a product compiles in one second instead of ten; `rhm tune` checks all of them on its adapter.
  tuned: { get: (key: string) => (key.startsWith('matmul') ? '32x32x8/4x4/k1' : undefined) } as unknown as Map<
    string,
    string
  >,
  choose(op: string, fitting: readonly string[], usual: string) {
    seen?.set(op, { fitting, usual });
    return chosen[op];
  },
});

function dispatchesOf(item: KernelCase, traits: Partial<AdapterTraits>): Dispatch[] {
  const plan = new ProgramBuilder(item.replicas).plan('case');
  item.build(plan);
  const scratch = (index: number, shape: readonly number[]): Tensor => ({
    ...{ name: `scratch${index}`, shape, dtype: 'f32', role: 'persistent', buffer: `scratch${index}`, offset: 0 },
    replicaStride: shape.reduce((a, b) => a * b, 1) / shape[0],
  });
  const all = { ...gpuExecutor(gpu).traits, ...traits };
  return plan.calls.flatMap((call) => kernelOf(call).webgpu(call, all, scratch));
}

/** The variants that software drivers and GPUs choose, then all others, with the text that GPUs get. */
function trialsOf(op: string, item: KernelCase): Trial[] {
  const trials = new Map<string, Trial>();
  const add = (software: boolean, variants: Readonly<Record<string, string>>) => {
    const dispatches = dispatchesOf(item, traitsOf(software, variants));
    const key = JSON.stringify(dispatches.map((d) => [d.shader, d.source, d.constants, d.bindings.length]));
    if (!trials.has(key)) trials.set(key, { item, variants, software, dispatches });
  };
  const usual = new Set<string>();
  const others = new Set<string>();
  for (const software of [true, false]) {
    const choices = new Map<string, Choices>();
    dispatchesOf(item, traitsOf(software, {}, choices));
    const names = Object.fromEntries([...choices].map(([name, choice]) => [name, choice.usual]));
    add(software, names);
    usual.add(names[op]);
    for (const variant of choices.get(op)?.fitting ?? []) others.add(variant);
  }
  // Operations that lead to the one being checked use the same variant: a gradient needs scores that were rounded in the same
  // way.
  for (const variant of others)
    if (!usual.has(variant)) add(false, Object.fromEntries(Object.keys(kernels).map((name) => [name, variant])));
  return [...trials.values()];
}

/** Cases with rounded factors that lead to kernels of other cases: matmul.test.ts and attentionHalf.test.ts run them all. */
const repeats = /^f16(?!.*(TN 37x29|every epilogue|, 16 tokens))/;

const run = new Set<string>(); // shaders
for (const op of Object.keys(kernels) as (keyof typeof kernels)[]) {
  test(op, async () => {
    const items = [...kernels[op].cases.filter(({ name }) => !repeats.test(name)), ...(more[op] ?? [])];
    const trials = items.flatMap((item) => trialsOf(op, item));
    assert.ok(trials.length >= items.length);
    for (const { item, variants, software, dispatches } of trials) {
      const executor = gpuExecutor(gpu, undefined, traitsOf(software, variants));
      const result = await checkCase(item, executor, referenceExecutor());
      const what = `${item.name}, ${Object.values(variants)}, ${software ? 'as on a software driver' : 'as on a GPU'}`;
      assert.ok(result.ok, `${what}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
      const first = await runCase(item, executor);
      assert.equal(await runCase(item, executor), first, `${what} differs on a second run`);
      const alone = await runCase({ ...item, replicas: 1 }, executor);
      for (const slot of Object.keys(alone))
        assert.equal(alone[slot], first[slot].subarray(0, alone[slot].length), `${what}: depends on its neighbours`);
      for (const { shader } of dispatches) run.add(shader);
    }
  });
}

test('no shader of a kernel was left out', () => {
  const used = readdirSync('src/kernels', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(`src/kernels/${file}`, 'utf8'))
    .join('');
  const shaders = readdirSync('shaders')
    .filter((file) => used.includes(`shaders/${file}`) && /@compute/.test(readFileSync(`shaders/${file}`, 'utf8')))
    .map((file) => file.replace(/\.wgsl$/, ''));
  assert.ok(shaders.length > 30);
  // Matrix units are not available here: matmulMatrix.test.ts checks that kernel's text, and `rhm doctor` its numbers.
  assert.equal(
    shaders.filter((shader) => !run.has(shader)),
    ['matmul_matrix'],
  );
});

test.run();
