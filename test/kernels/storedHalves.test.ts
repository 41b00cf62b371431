import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import halfSource from '../../shaders/half.wgsl';
import halvesSource from '../../shaders/halves.wgsl';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { HALF_OVERFLOW, roundToHalf } from '../../src/core/half.js';
import type { GpuSession } from '../../src/gpu/device.js';
import type { AdapterTraits } from '../../src/gpu/dispatch.js';
import { bufferUsage } from '../../src/gpu/flags.js';
import { compileShader, readBuffer } from '../../src/gpu/scope.js';
import { columnSum } from '../../src/kernels/columnSum.js';
import { matmul } from '../../src/kernels/matmul.js';
import { checkFactorsOnce } from '../../src/kernels/shared/checkedFactors.js';
import { fuseUpdates } from '../../src/kernels/shared/fuseUpdate.js';
import { storeHalves } from '../../src/kernels/shared/storedHalves.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';

/** Activations stored as f16: the format, and which they are. */
const test = suite('stored halves');
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

// Software drivers have no f16: here the conversion uses integer arithmetic and a built-in function of plain WGSL.
const portable =
  halfSource + halvesSource.replace(/bitcast<u32>\(vec2<f16>\((x\.\w\w)\)\)/g, 'pack2x16float(toHalf4($1.xyxy).xy)');

/** Stores values in fours. Returns for each its bits and whether a mask counts it as positive, and for each four whether one does not fit. */
async function store(values: readonly number[], positives: boolean) {
  const { device } = gpu;
  const quads = values.length / 4;
  const module = await compileShader(
    gpu,
    'halves',
    `@group(0) @binding(0) var<storage, read> x: array<vec4f>;
     @group(0) @binding(1) var<storage, read_write> y: array<vec4u>;
     ${portable}
     @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3u) {
       let stored = storedHalves(x[id.x], ${positives});
       let mask = storedPositive(stored);
       let bits = dot(select(vec4f(), vec4f(1.0, 2.0, 4.0, 8.0), mask), vec4f(1.0));
       y[id.x] = vec4u(stored, u32(bits), u32(storedOverflow(stored)));
     }`,
  );
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const buffer = (usage: number) => device.createBuffer({ size: values.length * 4, usage });
  const [input, output] = [
    buffer(bufferUsage.storage | bufferUsage.copyDst),
    buffer(bufferUsage.storage | bufferUsage.copySrc),
  ];
  device.queue.writeBuffer(input, 0, Float32Array.from(values));
  const entries = [input, output].map((b, binding) => ({ binding, resource: { buffer: b } }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(quads);
  pass.end();
  device.queue.submit([encoder.finish()]);
  const words = new Uint32Array(await readBuffer(gpu, output));
  for (const b of [input, output]) b.destroy();
  const halves = new Uint16Array(words.buffer);
  return Array.from({ length: values.length }, (_, i) => {
    const [quad, k] = [i >> 2, i & 3];
    const mask = (words[4 * quad + 2] >> k) & 1;
    return { bits: halves[8 * quad + k], positive: mask === 1, overflow: words[4 * quad + 3] === 1 };
  });
}

/** binary16, read by its definition. */
function halfValue(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

const edges = [
  ...[0, -0, 2 ** -26, 2 ** -25, 2 ** -25 * (1 + 2 ** -20), 2 ** -24, 1.5 * 2 ** -24, 2 ** -14, 2 ** -149],
  ...[2 ** -15, 0.5, 12.25, 1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 0.1, 3.7, 1000.3, 65504, 65519],
].map(Math.fround);

test('a ReLU output: rounded to nearest even; what is above zero counts as positive, also where it rounds to zero', async () => {
  const got = await store(edges, true);
  for (const [i, x] of edges.entries()) {
    assert.is(Math.abs(halfValue(got[i].bits)), roundToHalf(x), `${x}`);
    assert.is(got[i].positive, x > 0, `${x}`);
    assert.is(got[i].overflow, false, `${x}`);
  }
});

test('a gradient: both signs', async () => {
  const values = edges.map((x, i) => (i % 3 ? -x : x));
  const got = await store(values, false);
  for (const [i, x] of values.entries()) assert.is(halfValue(got[i].bits) + 0, roundToHalf(x) + 0, `${x}`);
});

for (const bad of [HALF_OVERFLOW, -HALF_OVERFLOW, 1e30, -Infinity, Number.NaN])
  test(`${bad} does not fit: readers see that, at each of the four places`, async () => {
    for (let place = 0; place < 4; place++) {
      const quad = [1, 2, 3, 4].map((x, i) => (i === place ? bad : x));
      assert.ok((await store(quad, false)).every(({ overflow }) => overflow));
      if (!(bad < 0)) assert.ok((await store(quad, true)).every(({ overflow }) => overflow));
    }
  });

const traits: AdapterTraits = {
  software: false,
  vendor: 'nvidia',
  maxWorkgroupStorageBytes: 49152,
  maxInvocations: 1024,
  subgroupSize: 32,
  matrixUnits: { m: 16, n: 16, k: 16 },
  f16: true,
};
const base = {
  grammar: { v: 8, m: 2, s: 2, L: 3 },
  model: { kind: 'hcnn', width: 64 },
  optimiser: { kind: 'sgd', rate: 0.5 },
  budget: { batch: 128, steps: 100 },
  evaluation: { size: 16 },
  precision: 'f16',
} satisfies ExperimentInput;

/** Labels of the calls of a plan that store their output as f16. */
function storedBy(input: ExperimentInput, plan: string, of: AdapterTraits = traits): string[] {
  const { program } = trainingProgram(membersOf(parseExperiment(input)));
  const { calls } = storeHalves(fuseUpdates(checkFactorsOnce(program)), of).plans.get(plan)!;
  for (const { label, inputs } of calls)
    for (const t of Object.values(inputs))
      if (t.half)
        assert.ok(
          calls.some(({ outputs }) => Object.values(outputs).some((o) => o.buffer === t.buffer && o.half)),
          label,
        );
  return calls.filter(({ outputs }) => Object.values(outputs).some((t) => t.half)).map(({ label }) => label);
}

test('a step of hcnn: every activation that only products read, and their gradients; not what the embedding sums', () => {
  assert.equal(storedBy(base, 'train'), [
    'hidden.0',
    'hidden.1',
    'hidden.2',
    'readout input gradient',
    'hidden.2 input gradient',
  ]);
});

const mla = { ...base, model: { kind: 'mla', channels: 32, heads: 4, depth: 1, ratio: 2 } } satisfies ExperimentInput;

test('mla: what only products read; not the queries, keys and values, nor what the attention writes', () => {
  assert.equal(storedBy(mla, 'train'), [
    ...['embedding', 'blocks.0.projection', 'blocks.0.expand', 'blocks.0.contract'],
    ...['readout input gradient', 'blocks.0.contract input gradient', 'blocks.0.expand input gradient'],
  ]);
});

test('with residuals and normalisation: only inside the feed-forward part, where nothing but products reads', () => {
  const model = { ...mla.model, residual: true, norm: 'layer' } as const;
  assert.equal(storedBy({ ...mla, model }, 'train'), ['blocks.0.expand', 'blocks.0.contract input gradient']);
});

/** Buffers stored as f16 in a plan of two products that write a gradient. last: what else reads the first one's result. */
function storedIn(relu: boolean, use: 'factor' | 'mask' | 'sum'): boolean {
  const builder = new ProgramBuilder(1);
  builder.declareParameter('w', [64, 64]);
  const plan = builder.plan('case');
  const [a, b] = ['a', 'b'].map((name) => builder.persistent(name, [64, 64]));
  const hidden = plan.activation('hidden', [64, 64]);
  const product = { m: 64, n: 64, k: 64, half: true, b: { tensor: b } };
  matmul(plan, { label: 'first', ...product, a: { tensor: a }, c: { tensor: hidden }, relu });
  const mask = use === 'mask' ? hidden : undefined;
  matmul(plan, { label: 'factor', ...product, a: { tensor: hidden }, c: { tensor: builder.gradient('w') }, mask });
  if (use === 'sum')
    columnSum(plan, { label: 'sum', input: hidden, output: builder.persistent('sums', [64]), scale: 1 });
  const { calls } = storeHalves(builder.build(), traits).plans.get('case')!;
  return calls[0].outputs.c.half === true;
}

test('a mask only if it is a ReLU output; nothing that another operation reads too', () => {
  assert.equal([storedIn(true, 'factor'), storedIn(false, 'factor')], [true, true]);
  assert.equal([storedIn(true, 'mask'), storedIn(false, 'mask')], [true, false]);
  assert.is(storedIn(true, 'sum'), false);
});

test('nothing in plans that only evaluate, in f32, and without matrix units', () => {
  assert.equal(storedBy(base, 'evaluate'), []);
  assert.equal(storedBy({ ...base, precision: 'f32' }, 'train'), []);
  assert.equal(storedBy(base, 'train', { ...traits, matrixUnits: undefined }), []);
});

test.run();
