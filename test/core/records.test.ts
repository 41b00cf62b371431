import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from '../../src/core/crc32.js';
import { formatRecord, inspectRecords, parseRecords, RecordLines } from '../../src/core/records.js';

const test = suite('records');
const evaluation = {
  type: 'eval',
  replica: 1,
  step: 3,
  samples: 96,
  loss: 2.5,
  accuracy: 0.25,
  elapsed_ms: 7,
} as const;

test('a record survives writing and reading', () => {
  const records = [
    { type: 'start', hash: 'ab', adapter: 'llvmpipe', executor: 'webgpu' },
    evaluation,
    { type: 'measure', replica: 0, step: 3, samples: 96, name: 'invariance', value: 0.5, layer: 1, level: 2 },
    { type: 'end', reason: 'done' },
  ] as const;
  const text = records.map(formatRecord).join('');
  const found = parseRecords(text);
  assert.equal(found.records, records);
  assert.equal([found.problems.length, found.halfWritten, found.wholeBytes], [0, false, text.length]);
});

test('every cut of the last line is repaired, whole lines are kept', () => {
  const line = formatRecord({ ...evaluation, loss: 0.123456 });
  for (let cut = 1; cut < line.length - 1; cut++) {
    const found = parseRecords(formatRecord(evaluation) + line.slice(0, cut));
    assert.is(found.records.length, 1, `cut at ${cut}`);
    assert.ok(found.halfWritten);
    assert.is(found.wholeBytes, formatRecord(evaluation).length);
    assert.is(found.problems.length, 0);
  }
  const whole = parseRecords(formatRecord(evaluation) + line.slice(0, -1)); // only the newline is missing
  assert.is(whole.records.length, 2);
  assert.not.ok(whole.halfWritten);
});

test('a start of an earlier version is read unchanged; a fact that is not text is a bad line', () => {
  const old = { type: 'start', hash: 'ab', adapter: 'nvidia-h200', executor: 'webgpu', runtime: 'node 20 (Dawn)' };
  const found = parseRecords(`${JSON.stringify(old)}\n${JSON.stringify({ ...old, driver: 550 })}\n`);
  assert.equal(found.records, [old]);
  assert.equal(found.problems, [{ line: 2, message: 'driver: expected text, got 550' }]);
});

test('bytes are counted in UTF-8', () => {
  const line = formatRecord({ type: 'start', hash: 'a', adapter: 'Grafikkarte für ℓ' });
  assert.is(parseRecords(`${line}{"type":"ev`).wholeBytes, Buffer.byteLength(line));
});

test('bad lines inside are listed, unknown types skipped, null is NaN', () => {
  const text =
    '{"type":"later"}\nnonsense\n{"type":"eval","step":-1}\n{"type":"eval","step":1,"samples":2,"loss":null}\n\n';
  const found = parseRecords(text);
  assert.is(found.records.length, 1);
  assert.ok(Number.isNaN((found.records[0] as { loss: number }).loss));
  assert.is((found.records[0] as { replica: number }).replica, 0);
  assert.equal(
    found.problems.map((p) => p.line),
    [2, 3],
  );
  assert.match(found.problems[1].message, /step: expected a whole number of at least 0, got -1/);
});

test('an empty file contains nothing', () => {
  assert.equal(parseRecords(''), { records: [], problems: [], halfWritten: false, wholeBytes: 0 });
});

test('CRC-32 of the catalogue of CRCs', () => {
  assert.is(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
  assert.is(crc32(new Uint8Array()), 0);
});

test('every bit of a file with checks: the rest is right, the loss is reported', () => {
  const lines = new RecordLines();
  const batches = [1, 2, 3].map((step) =>
    lines.format([
      { ...evaluation, step },
      { type: 'measure', replica: 1, step, samples: 5, name: 'a', value: step },
    ]),
  );
  const bytes = new TextEncoder().encode(batches.join(''));
  const { records } = inspectRecords(batches.join(''));
  assert.is(records.length, 6);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    const found = inspectRecords(new TextDecoder().decode(flipped));
    const sound = found.records.slice(0, found.intact);
    assert.equal(sound, records.slice(0, sound.length), `bit ${bit}`);
    if (sound.length < 6) assert.ok(found.problems.length || found.halfWritten || found.unchecked, `bit ${bit}`);
  }
  for (let length = 0; length <= bytes.length; length++) {
    const found = inspectRecords(new TextDecoder().decode(bytes.subarray(0, length)));
    if (!found.unchecked)
      assert.is(found.records.length % 2, 0, `cut at ${length}: an append is there whole or not at all`);
  }
});

test.run();
