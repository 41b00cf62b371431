import { InputError } from './errors.js';
import { parseJson } from './outside.js';

/**
 * Sets `a.b.c=value` pairs in a nested object. Values are JSON if they parse as JSON, else text; `null` removes the field. A plain
 * `model=hcnn` followed by `model.width=64` keeps both: the name becomes the field `kind`.
 */
export function applySettings(target: Record<string, unknown>, pairs: readonly string[]): Record<string, unknown> {
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new InputError(`--set ${pair}: pass field=value, for example grammar.v=16`);
    try {
      const value = parse(pair.slice(equals + 1));
      if (value === null) removeField(target, pair.slice(0, equals));
      else setField(target, pair.slice(0, equals), value);
    } catch (error) {
      throw error instanceof InputError ? new InputError(`--set ${pair}: ${error.message}`) : error;
    }
  }
  return target;
}

/**
 * Sets one dotted field, making objects on the way. A plain name that is given fields becomes their `kind`.
 * @throws InputError for an empty or forbidden field name.
 */
export function setField(target: Record<string, unknown>, field: string, value: unknown): void {
  const path = field.split('.');
  if (path.some((key) => !key || key === '__proto__')) throw new InputError('an empty or forbidden field name');
  let at = target;
  for (const key of path.slice(0, -1)) {
    const inner = at[key];
    if (typeof inner === 'string') at[key] = { kind: inner };
    else if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  const last = path[path.length - 1];
  const old = Object.hasOwn(at, last) ? at[last] : undefined;
  if (typeof value === 'string' && isSection(old)) old.kind = value;
  else at[last] = mergeSections(old, value);
}

function removeField(target: Record<string, unknown>, field: string): void {
  const path = field.split('.');
  let at: unknown = target;
  for (const key of path.slice(0, -1)) at = isSection(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  if (isSection(at)) delete at[path[path.length - 1]];
}

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * A section set on top of another leaves the fields that it does not name; a plain name counts as `kind`. A section of another
 * kind, or any other value, replaces the whole.
 */
export function mergeSections(old: unknown, value: unknown): unknown {
  const before = typeof old === 'string' ? { kind: old } : old;
  if (!isSection(before) || !isSection(value)) return value;
  if (value.kind !== undefined && before.kind !== undefined && value.kind !== before.kind) return value;
  const merged = { ...before };
  for (const [key, inner] of Object.entries(value))
    merged[key] = mergeSections(Object.hasOwn(before, key) ? before[key] : undefined, inner);
  return merged;
}

function parse(text: string): unknown {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  return parseJson(text, 'value');
}
