import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kernels } from '../../src/kernels/index.js';
import { defineOperation } from '../../src/kernels/shared/operation.js';
import { bool, f32, oneOf, u32 } from '../../src/kernels/shared/params.js';
import { assemblyFiles } from '../../src/kernels/tools/assembly.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import type { Call } from '../../src/plan/types.js';
import { refusal } from './harness.js';

const test = suite('operation');

const gather = defineOperation({
  name: 'gather',
  inputs: { table: 'R rows channels', index: 'u32 R ...count', mask: 'R ...count ?' },
  outputs: { output: 'R ...count heads*size', sums: 'any R 2' },
  params: {
    heads: u32({ least: 1 }),
    rate: f32({ least: 0, below: 1, default: 0.5 }),
    form: oneOf('sum', 'mean'),
    add: bool(),
  },
  sizes: { size: ({ channels, heads }) => channels / heads },
  check({ rows }, refuse) {
    if (rows > 100) refuse(`rows = ${rows}; pass at most 100`);
  },
  reference({ table, index, mask, output }, { count, channels }) {
    const weight = mask ? mask[0] : 1;
    for (let i = 0; i < count * channels; i++) output[i] = weight * table[index[0]];
  },
  webgpu: ({ inputs: { table }, launch }) => [
    launch({ source: 'fn main() {}', words: { lanes: 4, scale: { f32: 2 } }, workgroups: [1, 1, 1] }),
    launch({ source: '', bind: { table, other: undefined }, workgroups: [1, 1, 1] }),
  ],
  wasm: { words: { unit: 'f32' }, launch: () => [{ words: { unit: 0.25 }, parts: 1 }] },
  cost: ({ count, channels }) => ({ flops: count * channels, bytes: 0 }),
  cases: () => [],
});

interface Changes {
  table?: number[];
  index?: number[];
  output?: number[];
  heads?: number;
  rate?: number;
}

function add(
  plan: Parameters<typeof gather>[0],
  { table = [9, 12], index = [5, 7], output = [5, 7, 12], heads = 3, rate }: Changes,
) {
  const p = plan.program;
  gather(plan, {
    label: 'x',
    table: p.persistent('table', table),
    index: p.persistent('index', index, 'u32'),
    output: p.persistent('output', output),
    sums: p.persistent('sums', [2], 'u32'),
    heads,
    rate,
    form: 'mean',
  });
}

function callOf(changes: Changes = {}): Call {
  const plan = new ProgramBuilder(2).plan('p');
  add(plan, changes);
  return plan.calls[0];
}

test('a call carries its tensors, its parameters and every size by name', () => {
  const { op, inputs, outputs, params } = callOf();
  assert.is(op, 'gather');
  assert.equal(Object.keys(inputs), ['table', 'index']);
  assert.equal(Object.keys(outputs), ['output', 'sums']);
  assert.equal(params, { heads: 3, rate: 0.5, form: 'mean', add: false, rows: 9, channels: 12, count: 35, size: 4 });
  assert.equal(gather.cost(callOf()), { flops: 2 * 35 * 12, bytes: 0 });
});

test('a call that does not fit is refused with what was given, what was known and what to pass', () => {
  const refused = (changes: Changes) => refusal((plan) => add(plan, changes));
  assert.is(refused({ output: [5, 6, 12] }), 'gather (x): output is [2,5,6,12], count = 35; pass [2,5,7,12]');
  assert.is(refused({ output: [5, 7, 8] }), 'gather (x): output is [2,5,7,8], heads*size = 12; pass [2,5,7,12]');
  assert.is(refused({ table: [12] }), 'gather (x): table is [2,12]; pass [R, rows, channels]');
  assert.is(refused({ table: [101, 12] }), 'gather (x): rows = 101; pass at most 100');
  assert.is(refused({ heads: 0 }), 'gather (x): heads = 0; pass a whole number >= 1');
  assert.is(refused({ heads: 5 }), 'gather (x): size = 2.4; pass a whole number >= 0');
  assert.is(refused({ rate: 1 }), 'gather (x): rate = 1; pass a number, 0 <= rate < 1');
  assert.is(refused({ rate: Number.NaN }), 'gather (x): rate = NaN; pass a number, 0 <= rate < 1');
  callOf({ index: [35], output: [35, 12] }); // the same number of elements in another shape
});

test('names and types of a call are checked by the compiler', () => {
  const plan = new ProgramBuilder(1).plan('p');
  const t = plan.program.persistent('t', [2]);
  const tensors = { table: t, index: t, output: t, sums: t };
  assert.throws(() => {
    // @ts-expect-error heads is missing
    gather(plan, { label: 'x', ...tensors });
    // @ts-expect-error no such form
    gather(plan, { label: 'x', ...tensors, heads: 1, form: 'max' });
    // @ts-expect-error a tensor is missing
    gather(plan, { label: 'x', table: t, output: t, sums: t, heads: 1 });
  });
});

test('the head of a shader: words by name and type, buffers in order, omitted ones as a dummy', () => {
  const [whole, part] = gather.webgpu(
    callOf(),
    { software: true, vendor: '', maxWorkgroupStorageBytes: 0, maxInvocations: 0 },
    () => {
      throw new Error('no scratch is asked for');
    },
  );
  const struct = /struct Params \{([^}]*)\}/.exec(whole.source)![1].replace(/\s+/g, ' ').trim();
  assert.is(
    struct,
    'heads: u32, rate: f32, rows: u32, channels: u32, count: u32, size: u32, form: u32, add: u32, replicas: u32, ' +
      'tableReplica: u32, indexReplica: u32, maskReplica: u32, outputReplica: u32, sumsReplica: u32, lanes: u32, scale: f32,',
  );
  assert.match(whole.source, '@binding(2) var<storage, read> index: array<u32>;');
  assert.match(whole.source, '@binding(3) var<storage, read> mask: array<f32>;');
  assert.match(whole.source, '@binding(4) var<storage, read_write> output: array<f32>;');
  assert.is(whole.bindings[2].tensor, 'none');
  assert.is(whole.uniforms.length, struct.split(', ').length);
  assert.equal(
    part.bindings.map(({ access }) => access),
    ['read', 'read'],
  );
});

test('a command has a word for every field of its class', () => {
  const [command] = gather.wasm(callOf(), () => ({ shared: 0 }));
  const fields = [...gather.layout.fields.keys()];
  assert.is(command.words.length, fields.length);
  const word = (name: string) => command.words[fields.indexOf(name)];
  assert.is(word('mask'), 0);
  assert.is(word('form'), 1);
  assert.is(word('size'), 4);
  assert.is(word('tableReplica'), 108);
  assert.equal(word('rate'), { f32: 0.5 });
  assert.equal(word('unit'), { f32: 0.25 });
});

test('the build writes a class and a case for every operation', () => {
  const { 'layouts.ts': layouts, 'dispatch.ts': dispatch } = assemblyFiles();
  for (const { layout } of Object.values(kernels)) {
    assert.match(layouts, `export class ${layout.op[0].toUpperCase()}${layout.op.slice(1)} {`);
    for (const name of layout.kernels) assert.match(dispatch, `case OP_${name}:`);
  }
});

test.run();
