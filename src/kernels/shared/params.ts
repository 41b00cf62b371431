/** The types of an operation's parameters: whole numbers, floats, switches and names, with their ranges and defaults. */

export type WordType = 'u32' | 'i32' | 'f32';

/** Optional: callers may leave it out, because it has a default or because `sizes` of the operation sets it. */
export interface Param<T, Optional extends boolean> {
  readonly type: WordType | 'bool' | 'name';
  readonly names?: readonly string[];
  readonly range: Range;
  readonly default?: T;
  readonly optional: Optional;
}

interface Range {
  readonly least?: number;
  readonly above?: number;
  readonly below?: number;
}

interface NumberOptions extends Range {
  readonly default?: number;
  readonly optional?: true; // `sizes` fills it in
}

type IsOptional<O> = O extends { default: unknown } | { optional: true } ? true : false;

export const u32 = <const O extends NumberOptions>(o?: O) => numeric('u32', o);
export const i32 = <const O extends NumberOptions>(o?: O) => numeric('i32', o);
export const f32 = <const O extends NumberOptions>(o?: O) => numeric('f32', o);

/** A switch; off by default. */
export const bool = (): Param<boolean, true> => ({ type: 'bool', range: {}, default: false, optional: true });

/** One of several names, which a kernel sees as its index; default: the first. */
export const oneOf = <const N extends readonly [string, ...string[]]>(...names: N): Param<N[number], true> => ({
  type: 'name',
  names,
  range: {},
  default: names[0],
  optional: true,
});

function numeric<O extends NumberOptions>(type: WordType, o?: O): Param<number, IsOptional<O>> {
  const { default: fallback, optional, ...range } = o ?? ({} as NumberOptions);
  const isOptional = (fallback !== undefined || optional === true) as IsOptional<O>;
  return { type, range, default: fallback, optional: isOptional };
}

/** The fault of a value, as `name = value; pass ...`; undefined if there is none. */
export function misfit(
  name: string,
  { type, names, range }: Param<unknown, boolean>,
  value: unknown,
): string | undefined {
  if (type === 'bool') return typeof value === 'boolean' ? undefined : `${name} = ${value}; pass true or false`;
  if (type === 'name')
    return names?.some((n) => n === value) ? undefined : `${name} = ${value}; pass ${names?.join(', ')}`;
  const { above, below } = range;
  const least = range.least ?? (type === 'u32' ? 0 : undefined);
  const whole = type !== 'f32';
  const fits =
    typeof value === 'number' &&
    (whole ? Number.isInteger(value) : !Number.isNaN(value)) &&
    !(least !== undefined && value < least) &&
    !(above !== undefined && value <= above) &&
    !(below !== undefined && value >= below);
  if (fits) return undefined;
  const kind = whole ? 'a whole number' : 'a number';
  if (least !== undefined && below !== undefined)
    return `${name} = ${value}; pass ${kind}, ${least} <= ${name} < ${below}`;
  const bounds = [
    least !== undefined && `>= ${least}`,
    above !== undefined && `> ${above}`,
    below !== undefined && `< ${below}`,
  ];
  return `${name} = ${value}; pass ${[kind, ...bounds.filter((b) => b)].join(' ')}`;
}

/** The value as one word of a kernel: a switch is 0 or 1, a name its index. */
export function wordOf({ names }: Param<unknown, boolean>, value: unknown): number {
  return names ? names.indexOf(String(value)) : Number(value);
}
