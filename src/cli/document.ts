/** Files and standard input that hold a value: JSON, JSON with comments, or YAML. */
import { parse, YAMLParseError } from 'yaml';
import { InputError } from '../core/errors.js';
import { checkTree, decodeText, parseJson } from '../core/outside.js';
import { readInput, whyUnread } from './readInput.js';

/** What options and arguments that take one say in their help. */
export const DOCUMENT = 'JSON or YAML; - is standard input';

/** @param what What the file should be, for the message where it cannot be read. @throws InputError */
export function readDocument(file: string, what: string): unknown {
  let bytes: Uint8Array;
  try {
    bytes = readInput(file);
  } catch (error) {
    throw new InputError(`${file}: ${whyUnread(error)}; pass a readable ${what}`);
  }
  return parseDocument(bytes, file === '-' ? 'standard input' : file);
}

/**
 * A name that ends in .json holds JSON; anything else is YAML, of which JSON is a part but for its comments. In both, comments may
 * stand between the values: `//` and slash-star in JSON, `#` in YAML.
 * @throws InputError naming the place
 */
export function parseDocument(given: string | Uint8Array, where: string): unknown {
  const text = (typeof given === 'string' ? given : decodeText(given, where)).replace(/^\ufeff/, '');
  const bare = withoutComments(text);
  if (/\.jsonc?$/i.test(where)) return parseJson(bare, where);
  let asJson: unknown;
  // What begins as JSON is read as such, which is much faster for large grammars; YAML allows more of it, such as bare words.
  if (/^\s*[[{]/.test(bare))
    try {
      return parseJson(bare, where);
    } catch (error) {
      asJson = error;
    }
  let value: unknown;
  try {
    value = parseYaml(text, where);
  } catch (error) {
    throw asJson ?? error;
  }
  // Words without any fields, and nothing at all, are YAML too: where that was not said, they are no JSON.
  const isYaml = /\.ya?ml$/i.test(where) || (typeof value === 'object' && value !== null);
  return isYaml ? value : parseJson(bare, where);
}

function parseYaml(text: string, where: string): unknown {
  try {
    const value: unknown = parse(text);
    if (refersToItself(value)) throw new InputError(`${where}: refers to itself; spell it out`);
    checkTree(value, where);
    return value;
  } catch (error) {
    if (error instanceof RangeError) throw new InputError(`${where}: too deep or too large; spread it out`);
    if (error instanceof YAMLParseError || error instanceof ReferenceError)
      throw new InputError(`${where}: ${withoutSnippet(error.message)}; pass a YAML or JSON file`);
    throw error;
  }
}

/** The parser's message in one line, which names line and column, without the lines of the file that follow it. */
const withoutSnippet = (message: string): string =>
  message
    .split('\n\n')[0]
    .replace(/\s*\n\s*/g, ' ')
    .replace(/:$/, '');

/** Comments of JSON become spaces, so that faults behind them keep their places; texts in quotes stay. */
function withoutComments(text: string): string {
  if (!text.includes('//') && !text.includes('/*')) return text;
  return text.replace(/"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (part) =>
    part.startsWith('"') ? part : part.replace(/[^\n]/g, ' '),
  );
}

/** Whether an alias of YAML stands inside what it names. Each object is looked at once. */
function refersToItself(value: unknown, above = new Set<unknown>(), seen = new Set<unknown>()): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (above.has(value)) return true;
  if (seen.has(value)) return false;
  seen.add(value);
  above.add(value);
  const found = Object.values(value).some((part) => refersToItself(part, above, seen));
  above.delete(value);
  return found;
}
