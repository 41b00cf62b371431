/**
 * Reading data from elsewhere: files, messages of a queue, stores, links. Text is parsed here, within bounds, before any schema
 * sees it; names become file names only if they are known; text for people is shown without control characters.
 */
import { InputError } from './errors.js';

/** Files of a run. A file from elsewhere with any other name is refused. */
export const files = {
  experiment: 'experiment.json',
  rules: 'rules.json',
  records: 'records.jsonl',
  checkpoint: 'checkpoint.safetensors',
} as const;
export type RunFileName = (typeof files)[keyof typeof files];

export const isRunFile = (name: unknown): name is RunFileName =>
  (Object.values(files) as readonly unknown[]).includes(name);

/** Name of a run: 16 hexadecimal digits, as contentHash() gives them. Nothing else becomes a folder. */
export const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{16}$/.test(value);

/** @throws InputError unless the text is the name of a run. */
export function checkHash(value: unknown, where = 'hash'): string {
  if (isHash(value)) return value;
  throw new InputError(`${where}: got ${shown(value)}; the name of a run has 16 hexadecimal digits`);
}

/** Name of an entry in one of the program's folders: only letters, digits, - and _. */
export const isEntryName = (value: unknown): value is string =>
  typeof value === 'string' && /^[\w-]{1,100}$/.test(value);

/** @throws InputError if the name could be anything but an entry of its folder. */
export function checkEntryName(value: unknown, where: string): string {
  if (isEntryName(value)) return value;
  throw new InputError(`${where}: got ${shown(value)}; pass a name of letters, digits, - and _`);
}

export interface TextBounds {
  bytes?: number; // maximum size of the text; default 256 MiB
  depth?: number; // maximum nesting of lists and objects; default 64
}

const MOST_BYTES = 2 ** 28;
const MOST_DEPTH = 64;

/** UTF-8 with or without byte-order mark. @throws InputError for another encoding or a text that is too long. */
export function decodeText(bytes: Uint8Array, where: string, most = MOST_BYTES): string {
  if (bytes.length > most)
    throw new InputError(`${where}: ${bytes.length} bytes, ${most} at most; this is not such a file`);
  const [a, b] = bytes;
  const zeros = bytes.length >= 4 && (bytes[0] === 0 || bytes[1] === 0) && (bytes[2] === 0 || bytes[3] === 0);
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) || zeros)
    throw new InputError(`${where}: the text is UTF-16; save it as UTF-8`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${where}: the text is not UTF-8; save it as UTF-8`);
  }
}

/**
 * The value of a JSON text that follows RFC 8259 and has no duplicate keys.
 * @throws InputError naming the place: not JSON, duplicate key, `__proto__`, too large, too deep.
 */
export function parseJson(text: string | Uint8Array, where = '', bounds: TextBounds = {}): unknown {
  const { bytes = MOST_BYTES, depth = MOST_DEPTH } = bounds;
  const at = where && `${where}: `;
  const whole = typeof text === 'string' ? text.replace(/^\ufeff/, '') : decodeText(text, where, bytes);
  if (whole.length > bytes)
    throw new InputError(`${at}${whole.length} characters, ${bytes} at most; this is not such a text`);
  const fault = faultOf(whole, depth);
  if (fault) throw new InputError(`${at}${fault}`);
  try {
    return JSON.parse(whole);
  } catch (error) {
    throw new InputError(`${at}not JSON (${printableLine((error as Error).message)})`, { cause: error });
  }
}

/** Checks what JSON.parse accepts silently or fails on; the text need not be JSON. */
function faultOf(text: string, most: number): string | undefined {
  const open: (Set<string> | undefined)[] = []; // keys of the enclosing objects, undefined for a list
  let wantsKey = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22 /* " */) {
      const start = i++;
      for (let d = text.charCodeAt(i); i < text.length && d !== 0x22; d = text.charCodeAt(i)) i += d === 0x5c ? 2 : 1;
      const keys = open[open.length - 1];
      if (!wantsKey || !keys) continue;
      wantsKey = false;
      const key = keyOf(text.slice(start, i + 1));
      if (key === '__proto__') return 'a field is named __proto__; leave it out';
      if (keys.has(key)) return `the field ${shown(key)} occurs twice; keep one`;
      keys.add(key);
    } else if (c === 0x7b /* { */ || c === 0x5b /* [ */) {
      open.push(c === 0x7b ? new Set() : undefined);
      wantsKey = c === 0x7b;
      if (open.length > most) return `lists and objects are nested deeper than ${most} levels; flatten them`;
    } else if (c === 0x7d || c === 0x5d) {
      open.pop();
      wantsKey = false;
    } else if (c === 0x2c /* , */) wantsKey = open[open.length - 1] !== undefined;
  }
  return undefined;
}

function keyOf(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted);
  } catch {
    return quoted; // JSON.parse reports the fault
  }
}

/**
 * Refuses values from YAML or another program that JSON cannot represent: circular objects, `__proto__`, too deep, too many. @throws
 * InputError
 */
export function checkTree(value: unknown, where: string, bounds: { depth?: number; nodes?: number } = {}): void {
  const { depth: most = MOST_DEPTH, nodes = 10_000_000 } = bounds;
  let seen = 0;
  const todo: [value: unknown, depth: number][] = [[value, 0]];
  for (let next = todo.pop(); next; next = todo.pop()) {
    const [at, depth] = next;
    if (typeof at !== 'object' || at === null) continue;
    if (depth >= most)
      throw new InputError(
        `${where}: lists and objects are nested deeper than ${most} levels, or contain themselves; flatten them`,
      );
    if (Object.hasOwn(at, '__proto__')) throw new InputError(`${where}: a field is named __proto__; leave it out`);
    const inner = Object.values(at);
    seen += inner.length;
    if (seen > nodes) throw new InputError(`${where}: more than ${nodes} values; take fewer`);
    for (const one of inner) todo.push([one, depth + 1]);
  }
}

// Control characters (except newline and tab), invisible marks and those that change the direction of text, separators, lone
// surrogates.
const HIDDEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Text for a terminal or a log: control characters as `\x1b`, so that a name cannot move the cursor or hide anything. Line breaks
 * stay.
 */
export function printable(text: string): string {
  return text.replace(HIDDEN, (c) => {
    if (c === '\r') return '\\r';
    const code = c.codePointAt(0)!;
    if (code > 0xffff) return `\\u{${code.toString(16)}}`;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** The same, on one line and shortened to `most` characters. */
export function printableLine(text: string, most = 200): string {
  const line = printable(text.length > 4 * most ? text.slice(0, 4 * most) : text).replace(/\s*[\n\t]\s*/g, ' ');
  return line.length > most ? `${line.slice(0, most - 3)}...` : line;
}

/** JSON for a terminal: control characters that JSON.stringify leaves are escaped; the value is the same. */
export function printableJson(value: unknown, indent?: number): string {
  return (JSON.stringify(value, null, indent) ?? 'null').replace(HIDDEN, (c) =>
    Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

function shown(value: unknown): string {
  if (typeof value === 'string') return printableLine(JSON.stringify(value.slice(0, 200)), 60);
  return typeof value === 'object' && value !== null ? 'an object' : String(value).slice(0, 60);
}
