/**
 * The forms in which a script contains other files: shaders, bytes as text, the difference between two files. src/core/inlined.ts reads
 * the last two.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Printable ASCII, without the characters that a string, a template or a page would have to escape. */
const alphabet = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).filter(
  (c) => !'"\'`\\$<'.includes(c),
);
const DIRECT = alphabet.length - 2; // the last two begin a pair

/** @param {Uint8Array} bytes @returns {string} ASCII that unpackBytes reads */
export function packBytes(bytes) {
  const counts = new Array(256).fill(0);
  for (const byte of bytes) counts[byte]++;
  const all = [...counts.keys()];
  const frequent = [...all].sort((a, b) => counts[b] - counts[a]).slice(0, DIRECT);
  const direct = new Set(frequent);
  const codes = new Array(256);
  for (const [i, byte] of frequent.entries()) codes[byte] = alphabet[i];
  for (const [i, byte] of all.filter((byte) => !direct.has(byte)).entries())
    codes[byte] = alphabet[DIRECT + Math.floor(i / alphabet.length)] + alphabet[i % alphabet.length];
  return alphabet.join('') + Buffer.from(frequent).toString('hex') + Array.from(bytes, (byte) => codes[byte]).join('');
}

const SEED = 8; // minimum length of a copy: shorter ones cost more than they save

/** @param {Buffer} from @param {Buffer} to @returns {Uint8Array} what applyPatch makes `to` of `from` with */
export function makePatch(from, to) {
  const places = new Map();
  const key = (bytes, at) => bytes.toString('latin1', at, at + SEED);
  for (let at = 0; at + SEED <= from.length; at++) {
    const found = places.get(key(from, at));
    if (found) found.push(at);
    else places.set(key(from, at), [at]);
  }
  const numbers = [];
  const put = (value) => {
    for (; value > 127; value = Math.floor(value / 128)) numbers.push((value % 128) + 128);
    numbers.push(value);
  };
  const copies = [];
  const fresh = [];
  for (let [read, written, since] = [0, 0, 0]; written < to.length; ) {
    let [length, start] = [0, read];
    for (const place of [read, ...(places.get(key(to, written)) ?? [])]) {
      let same = 0;
      while (written + same < to.length && from[place + same] === to[written + same]) same++;
      if (same > length) [length, start] = [same, place];
    }
    if (length < 3) {
      fresh.push(to[written++]);
      since++;
      read++;
      continue;
    }
    const moved = start - read;
    copies.push([since, moved < 0 ? -2 * moved - 1 : 2 * moved, length]);
    written += length;
    read = start + length;
    since = 0;
  }
  put(to.length);
  put(copies.length);
  copies.flat().forEach(put);
  return Uint8Array.from([...numbers, ...fresh]);
}

/**
 * For esbuild: shaders as text without comments and indentation, which are half of it (lines stay: messages of compilers number them);
 * files of bytes as modules that export them.
 */
export const inlinedFiles = {
  name: 'inlined files',
  setup(build) {
    const root = build.initialOptions.absWorkingDir ?? process.cwd();
    build.onLoad({ filter: /\.wgsl$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8')
        .replace(/[ \t]*\/\/.*$/gm, '')
        .replace(/^[ \t]+/gm, ''),
      loader: 'text',
    }));
    build.onLoad({ filter: /\.(wasm|patch|safetensors)$/ }, ({ path }) => ({
      contents:
        `import { unpackBytes } from ${JSON.stringify(join(root, 'src/core/inlined.ts'))};\n` +
        `export default /* @__PURE__ */ unpackBytes(${JSON.stringify(packBytes(readFileSync(path)))});`,
      resolveDir: root,
    }));
  },
};
