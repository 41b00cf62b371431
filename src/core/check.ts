import { InputError } from './errors.js';

/** Throws unless value is an integer within [min, max]; `meaning` and the bounds go into the message. */
export function checkInteger(field: string, value: unknown, min: number, max: number, meaning = ''): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw new InputError(
      `${field}${meaning && ` (${meaning})`}: expected an integer from ${min} to ${max}, got ${show(value)}`,
    );
  return value;
}

/** A seed: integer 0 <= seed < 2^53. */
export function checkSeed(value: unknown, field = 'seed'): number {
  return checkInteger(field, value, 0, Number.MAX_SAFE_INTEGER, 'names the random streams');
}

/** A value as an error message shows it, cut short. */
export function show(value: unknown): string {
  const text = typeof value === 'number' || value === undefined ? String(value) : JSON.stringify(value);
  return text === undefined ? typeof value : text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
