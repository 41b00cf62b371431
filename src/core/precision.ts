/**
 * What products compute with. f32: factors, products and sums. f16: the factors of products, convolutions and attention are rounded to
 * half precision (src/core/half.ts), products and sums stay f32, and so do weights, gradients, moments, softmax, norms and losses.
 */
export const precisions = ['f32', 'f16'] as const;
export type Precision = (typeof precisions)[number];

/**
 * log2 of the loss's factor at the start of a run in f16: a gradient that the mean over `rows` predictions and the readout of
 * `width` units make small comes back to the size of the error at the output. Halved when a factor does not fit.
 */
export function initialLossExponent(rows: number, width: number): number {
  return Math.min(24, Math.round(Math.log2(rows * width)));
}
