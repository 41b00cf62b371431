/**
 * Unrolls loops in a shader's text before it is compiled. Drivers keep sums in registers and order loads well only in
 * straight-line code: on an NVIDIA H200 a 128 x 64 x 16 matmul tile does 27 TFLOP/s with a loop over k and 36 unrolled.
 *
 *   #for h < QM, e < 4        the lines up to the matching #end, once for every pair; {h} becomes the number,
 *     c{h}_{e} += x{h}.{e:xyzw};   {h+1} the next one and {e:xyzw} the letter at that index
 *   #end
 *   #if RANGES                kept if the constant is not 0
 *   #end
 */
export function unroll(source: string, constants: Readonly<Record<string, number>>): string {
  const key = JSON.stringify(constants) + source;
  let text = written.get(key);
  if (text === undefined) {
    text = writeOut(source, constants);
    written.set(key, text);
  }
  return text;
}

/** Plain u32 constants of a shader as WGSL text, one per line. */
export function constantLines(constants: Readonly<Record<string, number>>): string {
  return Object.entries(constants)
    .map(([name, value]) => `const ${name} = ${value}u;\n`)
    .join('');
}

/**
 * A text in which loads are unrolled by TOGETHER, to which #for counts: 8, which hide each other's latency on a GPU, or 2 on
 * software drivers, which gain nothing from more and take 30 ms to compile each (lavapipe). No result may depend on it.
 */
export function unrolledLoads(source: string, software: boolean): string {
  const constants = { TOGETHER: software ? 2 : 8 };
  return constantLines(constants) + unroll(source, constants);
}

/**
 * WGSL function `opaque(n)`, n itself, for loop bounds that are known when a shader is compiled. lavapipe unrolls such loops, and
 * each load in them takes it 30 ms to compile: on software drivers the bound is made to depend on a uniform `word` (below 2^31).
 * A minimum of n and another value would not help: it bounds the loop by n, and Mesa unrolls up to 32 rounds.
 */
export function opaqueBounds(software: boolean, word: string): string {
  return `fn opaque(n: u32) -> u32 { return ${software ? `n + (${word} >> 31u)` : 'n'}; }\n`;
}

// A plan contains the same tile many times, and unrolling one takes 2 to 3 ms.
const written = new Map<string, string>();

function writeOut(source: string, constants: Readonly<Record<string, number>>): string {
  refuseCollisions(source);
  const lines = source.split('\n');
  const [text, end] = expand(lines, 0, constants);
  if (end !== lines.length) throw new Error(`unroll: #end without #for at line ${end + 1}`);
  return text.join('\n');
}

/** The expanded lines from `start` up to the matching #end, and the position of that. */
function expand(
  lines: readonly string[],
  start: number,
  constants: Readonly<Record<string, number>>,
): [string[], number] {
  const out: string[] = [];
  let at = start;
  while (at < lines.length) {
    const [, word, rest] = /^\s*#(\w+)\s*(.*?)\s*$/.exec(lines[at]) ?? [];
    if (word === 'end') return [out, at];
    if (word === undefined) {
      out.push(lines[at++]);
      continue;
    }
    const [body, end] = expand(lines, at + 1, constants);
    if (end === lines.length) throw new Error(`unroll: line ${at + 1} has no #end`);
    if (word === 'for') out.push(...repeat(body, rest.split(/,\s*/), constants));
    else if (word !== 'if') throw new Error(`unroll: #${word} at line ${at + 1}; there are #for, #if and #end`);
    else if (count(rest, constants)) out.push(...body);
    at = end + 1;
  }
  return [out, at];
}

function repeat(body: string[], [loop, ...inner]: string[], constants: Readonly<Record<string, number>>): string[] {
  const [, name, bound] = /^(\w+) < (\w+)$/.exec(loop) ?? [];
  if (!name) throw new Error(`unroll: #for ${loop}; write #for i < COUNT`);
  const out: string[] = [];
  for (let i = 0; i < count(bound, constants); i++) {
    const lines = body.map((line) =>
      line
        .replaceAll(`{${name}}`, String(i))
        .replaceAll(`{${name}+1}`, String(i + 1))
        .replace(new RegExp(`\\{${name}:(\\w+)\\}`, 'g'), (_, letters) => letters[i]),
    );
    out.push(...(inner.length ? repeat(lines, inner, constants) : lines));
  }
  return out;
}

function count(name: string, constants: Readonly<Record<string, number>>): number {
  const value = /^\d+$/.test(name) ? Number(name) : constants[name];
  if (value === undefined) throw new Error(`unroll: no constant ${name}`);
  return value;
}

/** A name that is already in the text must not be one that a mark generates: x{i} becomes x0, x1, ... */
function refuseCollisions(source: string): void {
  for (const prefix of new Set([...source.matchAll(/\b([a-z]\w*)\{\w+\}/gi)].map(([, name]) => name))) {
    const made = new RegExp(`\\b${prefix}\\d+\\b`).exec(source.replace(/\/\/.*/g, ''));
    if (made)
      throw new Error(`unroll: ${made[0]} is used beside ${prefix}{...}, which may become it; choose another name`);
  }
}
