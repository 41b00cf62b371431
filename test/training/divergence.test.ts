import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DIVERGED_NATS, isDiverged } from '../../src/core/divergence.js';
import { parseRecords } from '../../src/core/records.js';
import { endOf } from '../../src/sweep/store.js';

const test = suite('losses that no trained network has');
const line = (value: object) => `${JSON.stringify(value)}\n`;
const evaluation = { type: 'eval', replica: 0, step: 1, samples: 4, accuracy: 0.5, elapsed_ms: 1 };
const end = { type: 'end', replica: 0, reason: 'done' };

test('the bound is the loss of the least probability above 0 in f32', () => {
  assert.ok(Math.abs(DIVERGED_NATS + Math.log(2 ** -149)) < 1e-9);
  for (const loss of [0, 2.77, 11.1, 100, DIVERGED_NATS]) assert.not(isDiverged(loss), String(loss));
  for (const loss of [104, 1e13, Infinity, Number.NaN]) assert.ok(isDiverged(loss), String(loss));
});

test('a run recorded as done at 10^13 nats has diverged', () => {
  assert.is(endOf(line({ ...evaluation, loss: 1e13 }) + line(end), 1)?.state, 'diverged');
  assert.is(endOf(line({ ...evaluation, loss: 2 }) + line(end), 1)?.state, 'done');
});

test('numbers that no run can have are left out with the reason', () => {
  const odd: [change: object, message: RegExp][] = [
    [{ loss: -3 }, /loss: got -3; no run has one below/],
    [{ loss: 1, accuracy: 7 }, /accuracy: got 7; no run has one above 1/],
    [{ loss: 1, accuracy: -0.1 }, /accuracy/],
    [{ loss: 1, elapsed_ms: -1 }, /elapsed_ms/],
    [{ loss: 1, step: -1 }, /step/],
    [{ loss: 1, samples: 0.5 }, /samples/],
  ];
  for (const [change, message] of odd) {
    const { records, problems } = parseRecords(line({ ...evaluation, ...change }));
    assert.is(records.length, 0);
    assert.match(problems[0].message, message);
  }
  assert.is(parseRecords(line({ ...evaluation, loss: -1e-7 })).records.length, 1, 'rounding of f32 is no fault');
});

test.run();
