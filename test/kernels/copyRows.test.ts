import * as assert from 'uvu/assert';
import { copyRows } from '../../src/kernels/copyRows.js';
import { copyRows as reference } from '../../src/reference/copyRows.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(copyRows);

test('rows of each sentence go to their places, by hand', () => {
  const input = Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8); // two sentences of two rows of two
  const output = new Float64Array(12).fill(9);
  const sizes = { batch: 2, inputRows: 2, outputRows: 3, columns: 2, inputFirst: 1, outputFirst: 2, rows: 1 };
  reference({ ...sizes, accumulate: false }, input, output);
  assert.equal([...output], [9, 9, 9, 9, 3, 4, 9, 9, 9, 9, 7, 8]);
  reference({ ...sizes, accumulate: true }, input, output);
  assert.equal([...output].slice(4, 6), [6, 8]);
});

test.run();
