import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32c } from '../../src/core/crc32c.js';
import { encodeEvents } from '../../src/core/eventFile.js';

const test = suite('event files');

test('CRC-32C: the known answers of RFC 3720', () => {
  assert.is(crc32c(new TextEncoder().encode('123456789')), 0xe3069283);
  assert.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.is(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

/** The same events as TensorBoard 2.21 writes them: RecordWriter over event_pb2.Event. */
const byTensorboard =
  'GAAAAAAAAACjf0siCQAAIED8VNlBGg1icmFpbi5FdmVudDoyKzUxEDUAAAAAAAAA1sVd5gkAAFBA/FTZQRABKigKEAoJbG9zcy90ZXN0FQAAIEAKFAoNYWNjdXJhY3kvdGVzdBUAAAA+xThHwTMAAAAAAAAADKcgVgkAAIBA/FTZQRCsAiolChAKCWxvc3MvdGVzdBUAAMB/ChEKCmdyw7bDn2Uvw7EVYEKiDVtz95gjAAAAAAAAALCfd0MJAADAQPxU2UEQ/////wcqEgoQCglsb3NzL3Rlc3QVAAAAvBcmaW4=';

test('the bytes are those that TensorBoard writes of the same events', () => {
  const ours = encodeEvents([
    {
      wallTime: 1700000001.25,
      step: 1,
      scalars: [
        ['loss/test', 2.5],
        ['accuracy/test', 0.125],
      ],
    },
    {
      wallTime: 1700000002,
      step: 300,
      scalars: [
        ['loss/test', Number.NaN],
        ['größe/ñ', 1e-30],
      ],
    },
    { wallTime: 1700000003, step: 2 ** 31 - 1, scalars: [['loss/test', -0.0078125]] },
  ]);
  const theirs = Buffer.from(byTensorboard, 'base64');
  // Their file gives a start time half a second earlier.
  const begun = theirs.indexOf(Buffer.from(new Uint8Array(new Float64Array([1700000000.5]).buffer)));
  assert.is(begun, 13);
  const behindVersion = 12 + Number(theirs.readBigUInt64LE(0)) + 4;
  assert.is(
    Buffer.from(ours).subarray(behindVersion).toString('base64'),
    theirs.subarray(behindVersion).toString('base64'),
  );
  assert.is(
    Buffer.from(ours)
      .subarray(21, 12 + 24)
      .toString('latin1'),
    theirs.subarray(21, 12 + 24).toString('latin1'),
  );
});

test.run();
