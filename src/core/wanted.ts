/** The values that a field of a JSON Schema accepts, in words: for messages that refuse a value. */

/** The part of JSON Schema that the schemas of this project use. */
export interface Schema {
  type?: string;
  const?: unknown;
  enum?: readonly unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  description?: string;
  default?: unknown;
  properties?: Record<string, Schema>;
  required?: readonly string[];
  items?: Schema;
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
}

/** What the words for an object begin with. */
export const SECTION = 'an object with the fields ';

/** For example `a whole number from 1 to 20`. value: the whole document. undefined: the schema does not contain the path. */
export function wanted(schema: unknown, path: readonly PropertyKey[], value: unknown): string | undefined {
  let at: Schema | undefined = schema as Schema;
  let inside = value;
  for (const key of path) {
    at = at && stepInto(at, key, inside);
    inside = (inside as Record<PropertyKey, unknown> | undefined)?.[key];
  }
  return at && describe(at, inside);
}

function stepInto(schema: Schema, key: PropertyKey, inside: unknown): Schema | undefined {
  const options = schema.oneOf ?? schema.anyOf;
  if (options) {
    const kind = (inside as { kind?: unknown } | undefined)?.kind;
    const fitting = options.find((o) => kind !== undefined && o.properties?.kind?.const === kind);
    for (const option of fitting ? [fitting] : options) {
      const found = stepInto(option, key, inside);
      if (found) return found;
    }
    return undefined;
  }
  return typeof key === 'number' ? schema.items : schema.properties?.[String(key)];
}

/** The same for the schema of the field itself. value: the given value, for an example; undefined: none. */
export function describe(schema: Schema, value: unknown): string {
  const { type, anyOf, oneOf, items, properties } = schema;
  const description = schema.description?.replace(/; default.*/, '');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return `one of ${schema.enum.join(', ')}`;
  if (oneOf)
    return `one of ${oneOf.map((o) => o.properties?.kind?.const).join(', ')}, alone or as the field kind of an object`;
  if (anyOf) {
    const forms = [...new Set(anyOf.flatMap((option) => option.anyOf ?? [option]).map(formOf))].join(', or ');
    return description ? `${description}: ${forms}` : forms;
  }
  if (type === 'integer' || type === 'number')
    return `${type === 'integer' ? 'a whole number' : 'a number'}${rangeOf(schema)}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'string') return 'a name, as text';
  if (type === 'array') {
    if (items?.type === 'string')
      return `a list of names, for example ["${typeof value === 'string' ? value : 'name'}"]`;
    return description ? `a list: ${description}` : 'a list';
  }
  if (type === 'object') return `${SECTION}${Object.keys(properties ?? {}).join(', ')}`;
  return type ?? 'another value';
}

/** One of several forms, in brief. */
function formOf(schema: Schema): string {
  if (schema.type === 'object') return `{${Object.keys(schema.properties ?? {}).map((key) => `"${key}": ...`)}}`;
  return schema.type === 'array' ? 'a list' : describe(schema, undefined);
}

function rangeOf({ minimum, exclusiveMinimum, maximum }: Schema): string {
  const top = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (exclusiveMinimum !== undefined) return ` above ${exclusiveMinimum}${top === undefined ? '' : `, at most ${top}`}`;
  if (minimum !== undefined) return top === undefined ? ` of at least ${minimum}` : ` from ${minimum} to ${top}`;
  return top === undefined ? '' : ` of at most ${top}`;
}
