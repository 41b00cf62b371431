/** The schema of a grid file. */
import * as z from 'zod';
import { searchSchema } from './searchSchema.js';

export const seeds = z.union([
  z.number().int().min(0),
  z.array(z.number().int().min(0)),
  z.strictObject({ from: z.number().int().min(0).default(0), count: z.number().int().min(0) }),
]);
const fields = z.record(z.string(), z.unknown());

/** Fields that the file and each of its blocks may have. */
export const part = {
  base: fields.optional().describe('fields all runs share: an experiment, nested or with dotted names'),
  grid: fields.optional().describe('field: values; every combination is a run'),
  zip: z
    .union([fields, z.array(fields)])
    .optional()
    .describe('field: values of fields that advance together; a list contains several such groups'),
  seeds: seeds.optional().describe('a number of seeds (0, 1, ...), a list, or {from, count}'),
  derive: fields.optional().describe('field: expression or {P_ell, times}, computed for each run, in this order'),
  filter: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('expressions; only runs for which all are true are kept'),
};
/** The fields of a grid file. `blocks`: several grids in one sweep, each merged over the rest of the file. */
export const specSchema = z.strictObject({
  name: z.string().min(1).max(100).optional(),
  ...part,
  search: searchSchema.optional().describe('each combination is a curve in data: P is narrowed until P_ell is known'),
  blocks: z.array(z.strictObject(part)).optional(),
});
