/** Fields that several parts of an experiment's schema share, and tables of variants told apart by `kind`. */
import * as z from 'zod';

z.config({ jitless: true }); // pages forbid eval

export const count = (max = 2 ** 31) => z.number().int().min(1).max(max);
export const positive = z.number().positive().max(1e6);

type Fields = z.core.$ZodShape;
/** One strict object a row, with the row's name as its `kind`. */
export type Variants<Rows extends Record<string, Fields>> = {
  [K in keyof Rows & string]: z.ZodObject<{ kind: z.ZodLiteral<K> } & Rows[K], z.core.$strict>;
};

export function variants<Rows extends Record<string, Fields>>(rows: Rows): Variants<Rows> {
  const entries = Object.entries(rows).map(([kind, fields]) => [kind, variant(kind, fields)]);
  return Object.fromEntries(entries);
}

export const variant = (kind: string, fields: Fields) => z.strictObject({ kind: z.literal(kind), ...fields });

/** The union over a table of variants. */
export function oneOf<Rows extends Record<string, z.core.$ZodTypeDiscriminable>>(
  rows: Rows,
): z.ZodDiscriminatedUnion<[Rows[keyof Rows]], 'kind'> {
  return z.discriminatedUnion('kind', Object.values(rows) as [Rows[keyof Rows]]);
}
