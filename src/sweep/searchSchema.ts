import * as z from 'zod';

/** The contents of the part `search` of a grid file. */
export const searchSchema = z.strictObject({
  steps: z
    .array(z.number().int().min(1).max(20))
    .min(1)
    .describe(
      'ell of the P_ell to find: P at which the best loss is half way down the step H(ell-1) to H(ell), in the logarithm of the loss above H(L)',
    ),
  from: z
    .number()
    .int()
    .min(1)
    .max(2 ** 30)
    .optional()
    .describe('smallest P; default: the batch'),
  to: z
    .number()
    .int()
    .min(2)
    .max(2 ** 30)
    .optional()
    .describe('largest P; default: a tenth of the language'),
  within: z.number().gt(1).max(100).default(1.3).describe('target ratio of the ends of an interval of P_ell'),
  predict: z
    .boolean()
    .optional()
    .describe('begin with few curves, then start the others near the P_ell that those predict; default: false'),
  most: z.number().int().min(3).max(1000).default(28).describe('maximum number of runs per curve'),
});
export type GridSearch = z.infer<typeof searchSchema>;
