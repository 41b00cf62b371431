import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSafetensors, encodeSafetensors, type SafeArray, type SafeTensor } from '../../src/core/safetensors.js';

const test = suite('safetensors');

// The doubles lie at byte 12 of the data: no array can be laid over them in place.
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
      return [name, name === 'odd' ? { dtype, shape, data } : { dtype, shape, fill }] as const;
    }),
  );
  const metadata = { some: 'text' };
  assert.equal(encodeSafetensors({ metadata, tensors: sources }), encodeSafetensors({ metadata, tensors }));
});

test.run();
