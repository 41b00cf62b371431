/**
 * Precision of products. f32: factors, products and sums. f16: the factors of products, convolutions and attention are rounded to half
 * precision (src/core/half.ts); products, sums, weights, gradients, moments, softmax, norms and losses stay f32.
 */
export const precisions = ['f32', 'f16'] as const;
export type Precision = (typeof precisions)[number];

/**
 * log2 of the loss factor at the start of a run in f16: it scales a gradient that the mean over `rows` predictions and the
 * readout of `width` units make small back to the size of the error at the output. It is halved when a factor does not fit.
 */
export function initialLossExponent(rows: number, width: number): number {
  return Math.min(24, Math.round(Math.log2(rows * width)));
}
