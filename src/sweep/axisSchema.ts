/** Schemas of the forms of a grid's axis. */
import * as z from 'zod';

const finite = z.number().finite();
export const range = z
  .strictObject({
    from: finite,
    to: finite,
    step: finite.optional(),
    factor: finite.optional(),
    count: z.number().int().min(0).optional(),
    spacing: z.enum(['linear', 'log']).optional(),
    integer: z.boolean().default(false),
  })
  .describe('{from, to} and one of step, count (spacing: log for a geometric one) or factor; integer rounds');
export const complexity = z
  .strictObject({
    P_ell: z.number().int().min(1).max(64),
    times: z.unknown().optional(),
    family: z.enum(['cnn', 'transformer']).optional(),
  })
  .describe('multiples of the sample complexity P_ell of the run: {P_ell: 3, times: [0.5, 1, 2]}');
export const expression = z.strictObject({ expr: z.string() }).describe('an expression over the other fields');

/** The forms of an axis, for the schema of grid files. */
export const axisSchema = z.union([
  z.array(z.unknown()),
  z.union([z.string(), z.number(), z.boolean(), z.null()]),
  expression,
  complexity,
  range,
]);
