import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { threefry } from '../../src/core/threefry.js';

const test = suite('threefry');

// Known-answer vectors published with Random123 1.14 (kat_vectors, threefry2x32 20 rounds).
test('published known-answer vectors', () => {
  assert.equal(threefry([0, 0], 0, 0), [0x6b200159, 0x99ba4efe]);
  assert.equal(threefry([0xffffffff, 0xffffffff], 0xffffffff, 0xffffffff), [0x1cb996fc, 0xbb002be7]);
  assert.equal(threefry([0x13198a2e, 0x03707344], 0x243f6a88, 0x85a308d3), [0xc4923a9c, 0x483df7a0]);
});

test.run();
