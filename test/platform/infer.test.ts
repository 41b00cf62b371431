import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { npyHeader } from '../../src/core/npy.js';
import { makeRules } from '../../src/core/rules.js';
import { mostProbableTrees, type Observation, posteriors, sampleTrees } from '../../src/theory/index.js';
import { rhm } from '../support/run.js';

const test = suite('rhm infer');

const scratch = mkdtempSync(join(tmpdir(), 'rhm-infer-'));
test.after(() => rmSync(scratch, { recursive: true }));

const shape = { v: 4, n: 4, m: 2, s: 2, L: 2 };
const grammar = ['-v', '4', '-m', '2', '-L', '2', '--seed', '3', '--zipf', '0.5'];
const rules = makeRules(shape, 3, { ruleProbabilities: { zipf: 0.5 } });
const none = [0, 1].map(() => [null, null, null, null]);
const drawn = sampleTrees(rules, none, { seed: 1 }).symbols[2];
const tokens = [[...drawn.subarray(0, 4)], [...drawn.subarray(4, 8)]];

function file(name: string, content: string | Uint8Array): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

async function infer(path: string, ...args: string[]) {
  const { code, stdout, stderr } = await rhm(['infer', ...grammar, '--tokens', path, ...args, '--json']);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout);
}

/** The library's result for the same input. */
function expected(rows: Observation[][], noise = 0) {
  const found = posteriors(rules, rows, { noise });
  const trees = mostProbableTrees(rules, rows, { noise });
  return rows.map((_, i) => ({
    logLikelihood: found.logLikelihoods[i],
    tree: {
      logProbability: trees.logProbabilities[i],
      symbols: trees.symbols.map((level, depth) => [...level.subarray(i * 2 ** depth, (i + 1) * 2 ** depth)]),
      rules: trees.rules.map((level, depth) => [...level.subarray(i * 2 ** depth, (i + 1) * 2 ** depth)]),
    },
    posteriors: found.symbols.map((values, depth) =>
      Array.from({ length: 2 ** depth }, (_, p) => {
        const at = (i * 2 ** depth + p) * 4;
        return [...values.subarray(at, at + 4)];
      }),
    ),
  }));
}

test('lines of text, JSON lines and npy say what the library says', async () => {
  const hidden = tokens.map(([a, , c]): Observation[] => [a, null, c, null]);
  const want = expected(hidden);
  const text = hidden.map((row, i) => row.map((x) => x ?? (i ? '-1' : '?')).join(' ')).join('\n');
  assert.equal((await infer(file('a.txt', text))).sentences, want);
  const lines = `${JSON.stringify({ index: 0, tokens: hidden[0] })}\n${JSON.stringify(hidden[1])}\n`;
  assert.equal((await infer(file('a.jsonl', lines))).sentences, want);
  const bytes = new Uint8Array(Int8Array.from(hidden.flat(), (x) => (x as number | null) ?? -1).buffer);
  assert.equal((await infer(file('a.npy', Buffer.concat([npyHeader('|i1', [2, 4]), bytes])))).sentences, want);
});

test('likelihoods of one token, of an array, and noise', async () => {
  const vector = [0.1, 0.2, 0.3, 0.4];
  const row = [tokens[0][0], vector, null, vector];
  assert.equal((await infer(file('b.jsonl', JSON.stringify(row)))).sentences, expected([row]));
  const all = new Float64Array([...vector, ...vector, ...vector, ...vector]);
  const npy = Buffer.concat([npyHeader('<f8', [1, 4, 4]), new Uint8Array(all.buffer)]);
  assert.equal((await infer(file('b.npy', npy))).sentences, expected([[vector, vector, vector, vector]]));
  const said = await infer(file('c.txt', tokens[1].join(' ')), '--noise', '0.25');
  assert.equal(said.sentences, expected([tokens[1]], 0.25));
  assert.is(said.noise, 0.25);
});

test('--hide takes places, ranges and the last one', async () => {
  const path = file('d.txt', tokens.map((row) => row.join(',')).join('\n'));
  const found = await infer(path, '--hide', '0-1,last');
  assert.equal(found.hidden, [0, 1, 3]);
  assert.equal(found.sentences, expected(tokens.map(([, , c]) => [null, null, c, null])));
  for (const wrong of ['4', '2-1', '1-2-3', 'x', '']) {
    const { code, stderr } = await rhm(['infer', ...grammar, '--tokens', path, '--hide', wrong]);
    assert.is(code, 2, wrong);
    assert.match(stderr, /--hide: got .*pass places from 0 to s\^L - 1 = 3/);
  }
});

test('text for people; a contradiction ends with status 2 and the sentence, or is allowed', async () => {
  const words = Array.from({ length: 4 ** 4 }, (_, x) => [x >> 6, (x >> 4) & 3, (x >> 2) & 3, x & 3]);
  const bad = words.find(
    (row) => posteriors(rules, [row], { contradictions: 'zero' }).logLikelihoods[0] === -Infinity,
  )!;
  const path = file('e.txt', `${tokens[0].join(' ')}\n${bad.join(' ')}\n`);
  const refused = await rhm(['infer', ...grammar, '--tokens', path]);
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /sentence 1 contradicts the grammar/);
  const { code, stdout } = await rhm(['infer', ...grammar, '--tokens', path, '--allow-contradictions']);
  assert.is(code, 0);
  assert.match(stdout, new RegExp(`sentence 0: ${tokens[0].join(' ')}\n  log likelihood -\\d+\\.\\d+ nats; the most`));
  assert.match(stdout, new RegExp(`tokens   tree ${tokens[0].join(' ')}\n`));
  assert.match(stdout, /sentence 1: .*\n {2}contradicts the grammar: likelihood 0/);
  assert.is((await infer(path, '--allow-contradictions')).sentences[1].logLikelihood, null);
});

test('the benchmark says what it ran and measured', async () => {
  const args = ['-v', '4', '-m', '2', '-L', '2', '--sentences', '20', '--rounds', '2', '--json'];
  const { code, stdout, stderr } = await rhm(['bench', 'inference', ...args]);
  assert.is(code, 0, stderr);
  const { sentences, grammar: sizes, times } = JSON.parse(stdout);
  assert.equal([sentences, sizes], [20, shape]);
  assert.is(times.length, 12);
  for (const time of times) assert.ok(time.sentences_per_s > 0 && time.sentences_per_cpu_s > 0, JSON.stringify(time));
});

test.run();
