import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import type { SafeTensor } from '../../src/core/safetensors.js';
import { biasMark, checkBiases, fromDisk, toDisk } from '../../src/models/disk.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';

const test = suite('weights on disk');

// Sizes that are not multiples of the transposition's blocks; most tensors are larger than one block.
const grammar = { v: 5, m: 2, L: 3 };
const models: Record<string, Record<string, unknown>> = {
  hcnn: { model: { kind: 'hcnn', width: 67, bias: true }, task: { kind: 'last' } },
  hlcn: { model: { kind: 'hlcn', width: 41 }, task: { kind: 'last' } },
  'hlcn with biases': { model: { kind: 'hlcn', width: 41, bias: true }, task: { kind: 'last' } },
  fcn: { model: { kind: 'fcn', width: 53 }, task: { kind: 'class' } },
  mla: { model: { kind: 'mla', channels: 39, heads: 3 }, task: { kind: 'last' } },
  clm: { model: { kind: 'clm', channels: 36, heads: 3 }, task: { kind: 'auto' } },
};

function layoutOf(given: Record<string, unknown>) {
  const { model, program } = trainingProgram(membersOf(parseExperiment({ grammar, ...given })));
  return { parameters: model.parameters, program };
}

/** A row whose values are their own indices, so that a tensor on disk shows where each of its elements came from. */
function places(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => i);
}

for (const [kind, given] of Object.entries(models))
  test(`${kind}: every number of a row is written once and read back to its place`, () => {
    const { parameters, program } = layoutOf(given);
    const row = places(program.parameterCount);
    const tensors = toDisk(parameters, program, row);
    for (const { name, shape, disk } of parameters) {
      const { offset } = program.tensors.get(name)!;
      const elements = shape.reduce((a, b) => a * b, 1);
      const from = disk.flatMap((part) => [...tensors.get(part.name)!.data]).sort((a, b) => a - b);
      assert.equal(
        from,
        [...places(elements)].map((i) => offset + i),
        name,
      );
    }
    const file = new Map([...tensors].map(([name, tensor]) => [name, { dtype: 'F64' as const, ...tensor }]));
    const back = new Float64Array(row.length).fill(Number.NaN);
    fromDisk(parameters, program, { metadata: {}, tensors: file }, back);
    for (const { name, shape } of parameters) {
      const { offset } = program.tensors.get(name)!;
      const end = offset + shape.reduce((a, b) => a * b, 1);
      assert.equal(back.subarray(offset, end), row.subarray(offset, end), name);
    }
  });

test('a local filter is [out, in, window, offset] on disk, [window, offset, in, out] in memory', () => {
  const { parameters, program } = layoutOf(models.hlcn);
  const tensors = toDisk(parameters, program, places(program.parameterCount));
  const { shape, data } = tensors.get('hidden.1.0.filter')!;
  assert.equal(shape, [41, 41, 2, 2]);
  const { offset } = program.tensors.get('hidden.1')!;
  let i = 0;
  for (let out = 0; out < 41; out++)
    for (let input = 0; input < 41; input++)
      for (let window = 0; window < 2; window++)
        for (let place = 0; place < 2; place++)
          assert.is(data[i++], offset + ((window * 2 + place) * 41 + input) * 41 + out);
});

test('biases of a local layer are [1, out, windows] on disk, [window, out] in memory', () => {
  const { parameters, program } = layoutOf(models['hlcn with biases']);
  const { shape, data } = toDisk(parameters, program, places(program.parameterCount)).get('hidden.0.0.bias')!;
  assert.equal(shape, [1, 41, 4]);
  const { offset } = program.tensors.get('hidden.0.bias')!;
  for (let out = 0; out < 41; out++)
    for (let window = 0; window < 4; window++) assert.is(data[out * 4 + window], offset + window * 41 + out);
});

test('files of earlier versions with biases are refused, those of PyTorch are accepted', () => {
  const file = (model: string, metadata: Record<string, string>) => {
    const { parameters, program } = layoutOf(models[model]);
    const tensors = toDisk(parameters, program, places(program.parameterCount));
    const named = [...tensors].map(([name, tensor]) => [
      `replica.1/best/${name}`,
      { dtype: 'F64' as const, ...tensor },
    ]);
    return { metadata, tensors: new Map(named as [string, SafeTensor][]) };
  };
  const old = /^f: an earlier version wrote it and added its biases elsewhere.*train the experiment again/;
  assert.throws(() => checkBiases(file('hcnn', { hash: '0' }), 'f'), old);
  assert.throws(() => checkBiases(file('hlcn with biases', { experiment: '0' }), 'f'), old);
  checkBiases(file('hcnn', { hash: '0', ...biasMark(file('hcnn', {}).tensors.keys()) }), 'f');
  checkBiases(file('hcnn', { format: 'pt' }), 'f');
  for (const other of ['hlcn', 'mla', 'clm', 'fcn']) {
    checkBiases(file(other, { hash: '0' }), 'f');
    assert.equal(biasMark(file(other, {}).tensors.keys()), {});
  }
});

test('the key projection is [out, in] on disk, the middle third of [in, 3 out] in memory', () => {
  const { parameters, program } = layoutOf(models.mla);
  const { shape, data } = toDisk(parameters, program, places(program.parameterCount)).get('blocks.1.sa.key')!;
  assert.equal(shape, [39, 39]);
  const { offset } = program.tensors.get('blocks.1.qkv')!;
  let i = 0;
  for (let out = 0; out < 39; out++)
    for (let input = 0; input < 39; input++) assert.is(data[i++], offset + input * 3 * 39 + 39 + out);
});

test.run();
