/** A setting in the address after `#`, which is never sent to a server. */
import { InputError } from '../core/errors.js';
import { parseJson } from '../core/outside.js';
import { parseSetting, type Setting } from './setting.js';

const PREFIX = '#setting=';
const LONGEST = 8192; // characters

/** The part of a link after the page's address. */
export function toHash(setting: Setting): string {
  const bytes = new TextEncoder().encode(JSON.stringify(setting));
  return (
    PREFIX +
    btoa(String.fromCharCode(...bytes))
      .replace(/\+/g, '-')
      .replace(/\//g, '_')
      .replace(/=+$/, '')
  );
}

export const holdsSetting = (hash: string): boolean => hash.startsWith(PREFIX);

/** The setting in a link; undefined if it has none. @throws InputError if it is damaged or refused. */
export function fromHash(hash: string): Setting | undefined {
  if (!holdsSetting(hash)) return undefined;
  if (hash.length > LONGEST)
    throw new InputError(`the link is longer than ${LONGEST} characters; copy it again from the page`);
  let value: unknown;
  try {
    const text = atob(hash.slice(PREFIX.length).replace(/-/g, '+').replace(/_/g, '/'));
    value = parseJson(
      Uint8Array.from(text, (c) => c.charCodeAt(0)),
      'link',
    );
  } catch {
    throw new InputError('the link is damaged: the text after #setting= cannot be read; copy it again from the page');
  }
  return parseSetting(value);
}

/** The step of the story that an address names, from 1; undefined: none. */
export function storyStep(hash: string): number | undefined {
  const step = Number(/^#story=([1-5])$/.exec(hash)?.[1]);
  return step || undefined;
}
