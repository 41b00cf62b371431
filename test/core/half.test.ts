import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LARGEST_HALF, overflowsHalf, roundToHalf } from '../../src/core/half.js';

const test = suite('half');

/** The value of a binary16 by its definition: sign, 5 bits of exponent, 10 of significand. */
function halfOf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
}

test('every half is itself; between two of them the nearer one, in the middle the even one', () => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [halfOf(bits), halfOf(bits + 1)];
    const middle = (low + high) / 2;
    const gap = high - low;
    for (const sign of [1, -1]) {
      assert.is(roundToHalf(sign * low), sign * low);
      assert.is(roundToHalf(sign * middle), sign * (bits % 2 === 0 ? low : high), `between ${low} and ${high}`);
      assert.is(roundToHalf(sign * (middle - gap * 2 ** -20)), sign * low);
      assert.is(roundToHalf(sign * (middle + gap * 2 ** -20)), sign * high);
    }
  }
});

test('the ends: signed zeros, half of the smallest, the largest and beyond', () => {
  assert.ok(Object.is(roundToHalf(-0), -0));
  assert.is(Math.abs(roundToHalf(2 ** -25)), 0, 'a tie goes to the even zero');
  assert.is(roundToHalf(2 ** -25 * (1 + 2 ** -10)), 2 ** -24);
  assert.is(LARGEST_HALF, halfOf(0x7bff));
  assert.is(roundToHalf(65519.996), LARGEST_HALF);
  for (const x of [65520, 1e9, Infinity]) {
    assert.is(roundToHalf(x), LARGEST_HALF);
    assert.is(roundToHalf(-x), -LARGEST_HALF);
    assert.ok(overflowsHalf(x) && overflowsHalf(-x));
  }
  assert.not.ok(overflowsHalf(65519.996));
  assert.ok(Number.isNaN(roundToHalf(Number.NaN)));
  assert.ok(overflowsHalf(Number.NaN));
});

test.run();
