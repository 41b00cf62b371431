/** IEEE 754 binary16 ("half"), to which the factors of products are rounded: to nearest, ties to even, by integer arithmetic. */

/** The largest finite half. */
export const LARGEST_HALF = 65504;
/** Magnitudes from this value up would round to infinity. They become LARGEST_HALF and count as an overflow. */
export const HALF_OVERFLOW = 65520;

const SMALLEST_NORMAL = 2 ** -14;
const SUBNORMAL_UNIT = 2 ** -24;

const number = new Float64Array(1);
const words = new Uint32Array(number.buffer);

/** x rounded to a half; +-LARGEST_HALF beyond the range, NaN for NaN. Subnormal halves are kept. */
export function roundToHalf(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x) || size === 0) return x;
  if (size >= HALF_OVERFLOW) return Math.sign(x) * LARGEST_HALF;
  number[0] = size;
  const exponent = (words[1] >>> 20) - 1023;
  const unit = size < SMALLEST_NORMAL ? SUBNORMAL_UNIT : 2 ** (exponent - 10);
  const count = size / unit; // exact, at most 2048
  const below = Math.floor(count);
  const rest = count - below;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 === 1);
  return Math.sign(x) * (up ? below + 1 : below) * unit;
}

/** Whether a factor does not fit a half. NaN does not. */
export function overflowsHalf(x: number): boolean {
  return !(Math.abs(x) < HALF_OVERFLOW);
}
