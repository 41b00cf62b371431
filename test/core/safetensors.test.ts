import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FileError } from '../../src/core/errors.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafeArray,
  type SafeDType,
  type SafeTensor,
  safetensorsMetadata,
} from '../../src/core/safetensors.js';
import { bytesOfEveryKind } from '../support/bytes.js';

const test = suite('safetensors');

// The doubles are at byte 12 of the data: no typed array can be laid over them in place.
const tensors = new Map<string, SafeTensor>([
  ['odd', { dtype: 'F32', shape: [3, 1], data: Float32Array.of(1, -2.5, 3) }],
  ['double', { dtype: 'F64', shape: [2], data: Float64Array.of(Math.PI, -0) }],
  ['word', { dtype: 'U32', shape: [1], data: Uint32Array.of(2 ** 32 - 1) }],
]);

test('the bytes of a small file, by hand', () => {
  const file = encodeSafetensors({ metadata: { format: 'pt' }, tensors });
  const header =
    '{"__metadata__":{"format":"pt"},"odd":{"dtype":"F32","shape":[3,1],"data_offsets":[0,12]},' +
    '"double":{"dtype":"F64","shape":[2],"data_offsets":[12,28]},"word":{"dtype":"U32","shape":[1],"data_offsets":[28,32]}}';
  const length = Math.ceil(header.length / 8) * 8;
  const want = new DataView(new ArrayBuffer(8 + length + 32));
  want.setUint32(0, length, true);
  new TextEncoder().encode(header.padEnd(length)).forEach((byte, i) => {
    want.setUint8(8 + i, byte);
  });
  const at = 8 + length;
  [1, -2.5, 3].forEach((x, i) => {
    want.setFloat32(at + 4 * i, x, true);
  });
  want.setFloat64(at + 12, Math.PI, true);
  want.setFloat64(at + 20, -0, true);
  want.setUint32(at + 28, 2 ** 32 - 1, true);
  assert.equal(file, new Uint8Array(want.buffer));
  assert.equal(decodeSafetensors(file).tensors, tensors);
});

test('numbers written straight into the file give the same bytes', () => {
  const sources = new Map(
    [...tensors].map(([name, { dtype, shape, data }]) => {
      const fill = (out: SafeArray) => (out as Float64Array).set(data as Float64Array);
      return [name, name === 'odd' ? { dtype, shape, data } : { dtype: dtype as SafeDType, shape, fill }] as const;
    }),
  );
  const metadata = { some: 'text' };
  assert.equal(encodeSafetensors({ metadata, tensors: sources }), encodeSafetensors({ metadata, tensors }));
});

test('bytes of every kind: Buffer, views at odd places, buffers, shared memory', () => {
  const file = encodeSafetensors({ metadata: { format: 'pt' }, tensors });
  const all = bytesOfEveryKind(file);
  const pooled = all.Buffer as Buffer;
  for (const [name, bytes] of Object.entries(all)) {
    const read = decodeSafetensors(bytes);
    assert.equal(read.tensors, tensors, name);
    assert.equal(safetensorsMetadata(bytes), { format: 'pt' }, name);
    for (const { data } of read.tensors.values()) assert.is(data.buffer.byteLength, data.byteLength, name);
  }
  const read = decodeSafetensors(pooled);
  pooled.fill(0);
  assert.equal(read.tensors, tensors, 'a copy');
});

test('F16 and BF16 are read as F32, other types are kept as bytes', () => {
  const header = {
    half: tensor([2, 4], [0, 16], 'F16'),
    brain: tensor([4], [16, 24], 'BF16'),
    counts: tensor([1], [24, 32], 'U64'),
    flags: tensor([3], [32, 35], 'BOOL'),
  };
  const file = fileOf(header, 35);
  const data = new DataView(file.buffer, file.length - 35);
  [0x3c00, 0xc100, 0x7bff, 0x0001, 0x03ff, 0x8000, 0x7c00, 0xfe00].forEach((bits, i) => {
    data.setUint16(2 * i, bits, true);
  });
  [0x3f80, 0xc049, 0x0080, 0xff80].forEach((bits, i) => {
    data.setUint16(16 + 2 * i, bits, true);
  });
  [1, 0, 1].forEach((flag, i) => {
    data.setUint8(32 + i, flag);
  });
  const read = decodeSafetensors(file).tensors;
  const half = [1, -2.5, 65504, 2 ** -24, 1023 * 2 ** -24, -0, Number.POSITIVE_INFINITY, Number.NaN];
  const { data: halves, ...kind } = read.get('half')!;
  assert.equal(kind, { dtype: 'F32', shape: [2, 4] });
  assert.is(String(halves), String(half)); // NaN equals no number
  assert.ok(Object.is(halves[5], -0));
  read.delete('half');
  const brain = [1, -3.140625, 2 ** -126, Number.NEGATIVE_INFINITY];
  assert.equal(read.get('brain'), { dtype: 'F32', shape: [4], data: Float32Array.from(brain) });
  assert.equal(read.get('flags'), { dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) });
  const again = encodeSafetensors({ metadata: {}, tensors: read });
  assert.equal(decodeSafetensors(again).tensors, read);
});

/** A file with this header and this many bytes of data. */
function fileOf(header: unknown, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}
const tensor = (shape: unknown, data_offsets: unknown, dtype: unknown = 'F32') => ({ dtype, shape, data_offsets });

const refused: [what: string, header: unknown, dataBytes: number, says: RegExp][] = [
  ['null', null, 0, /not a JSON object/],
  ['a list', [], 0, /not a JSON object/],
  ['no JSON', '{', 0, /not JSON/],
  ['metadata that are no texts', { __metadata__: { step: 3 } }, 0, /__metadata__ is not an object of texts/],
  ['metadata null', { __metadata__: null }, 0, /__metadata__/],
  ['an entry null', { a: null }, 0, /tensor a has no dtype/],
  [
    'the same bytes twice',
    { a: tensor([2], [0, 8]), b: tensor([2], [0, 8]) },
    8,
    /tensor b begins at byte 0.*ends at 8/,
  ],
  ['bytes shared in part', { a: tensor([2], [0, 8]), b: tensor([2], [4, 12]) }, 12, /tensor b begins at byte 4/],
  ['a hole', { a: tensor([1], [0, 4]), b: tensor([1], [8, 12]) }, 12, /tensor b begins at byte 8/],
  ['a hole at the front', { a: tensor([1], [4, 8]) }, 8, /tensor a begins at byte 4/],
  ['bytes left over', { a: tensor([1], [0, 4]) }, 8, /the tensors end at byte/],
  ['a fractional shape', { a: tensor([0.5, 2], [0, 4]) }, 4, /shape \[0.5,2\]/],
  ['a negative shape', { a: tensor([-1, -1], [0, 4]) }, 4, /shape \[-1,-1\]/],
  ['a shape of texts', { a: tensor(['1'], [0, 4]) }, 4, /shape/],
  ['fractional offsets', { a: tensor([1], [0.5, 4.5]) }, 8, /data_offsets/],
  ['offsets backwards', { a: tensor([1], [4, 0]) }, 4, /is at bytes 4 to 0/],
  ['offsets beyond the file', { a: tensor([1024], [0, 4096]) }, 4, /which has 4/],
  ['a shape beyond all numbers', { a: tensor([2 ** 40, 2 ** 40], [0, 4]) }, 4, /it needs/],
  ['a shape of another size', { a: tensor([3], [0, 8]) }, 8, /it needs 12/],
  ['a dtype of the prototype', { a: tensor([1], [0, 4], 'toString') }, 4, /unknown dtype/],
];
for (const [what, header, dataBytes, says] of refused)
  test(`refused: ${what}`, () => {
    const error = caught(() => decodeSafetensors(fileOf(header, dataBytes), 'some.safetensors'));
    assert.instance(error, FileError);
    assert.match(error.message, says);
    assert.match(error.message, /^some.safetensors: /);
  });

test('empty tensors and any order of the entries are read', () => {
  const file = fileOf({ b: tensor([1], [4, 8]), none: tensor([0, 3], [4, 4]), a: tensor([1], [0, 4]) }, 8);
  assert.equal([...decodeSafetensors(file).tensors.keys()], ['b', 'none', 'a']);
});

function caught(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('was not refused');
}

test.run();
