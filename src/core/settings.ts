import { InputError } from './errors.js';
import { parseJson } from './outside.js';

/**
 * Sets `a.b.c=value` pairs in a nested object. Values are JSON where they parse as JSON, else text. A bare
 * `model=hcnn` followed by `model.width=64` keeps both: the name becomes the field `kind`.
 */
export function applySettings(target: Record<string, unknown>, pairs: readonly string[]): Record<string, unknown> {
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new InputError(`--set ${pair}: pass field=value, for example grammar.v=16`);
    try {
      setField(target, pair.slice(0, equals), parse(pair.slice(equals + 1)));
    } catch (error) {
      throw error instanceof InputError ? new InputError(`--set ${pair}: ${error.message}`) : error;
    }
  }
  return target;
}

/**
 * Sets one dotted field, making objects on the way. A bare name that gets fields of its own becomes their `kind`.
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
  const old = at[last];
  if (typeof value === 'string' && typeof old === 'object' && old !== null && !Array.isArray(old))
    (old as Record<string, unknown>).kind = value;
  else at[last] = value;
}

function parse(text: string): unknown {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  return parseJson(text, 'value');
}
