/** Fields that several parts of an experiment's schema share, and tables of variants told apart by `kind`. */
import * as z from 'zod';

z.config({ jitless: true }); // pages forbid eval

export const count = (max = 2 ** 31) => z.number().int().min(1).max(max);
export const positive = z.number().positive().max(1e6);

export type Fields = z.core.$ZodShape;
type Table = Readonly<Record<string, { fields: Fields }>>;
type Variant<Kind extends string, Row extends { fields: Fields }> = z.ZodObject<
  { kind: z.ZodLiteral<Kind> } & Row['fields'],
  z.core.$strict
>;

/** The schema of one row of a table: its fields and its name as `kind`, nothing else. For a table: the union over all rows. */
export function oneOf<Rows extends Table>(
  rows: Rows,
): z.ZodDiscriminatedUnion<
  [{ [Kind in keyof Rows & string]: Variant<Kind, Rows[Kind]> }[keyof Rows & string]],
  'kind'
> {
  const options = Object.entries(rows).map(([kind, { fields }]) =>
    z.strictObject({ kind: z.literal(kind), ...fields }),
  );
  return z.discriminatedUnion('kind', options as never);
}
