/** Sweeps whose runs are trained on rows of tokens instead of a grammar's sentences. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { npyHeader } from '../../src/core/npy.js';
import { digestsOf, type OwnData, receiveData, sentData, withData } from '../../src/core/ownData.js';
import { lab, sweep } from '../../src/entry/node.js';
import { failure } from '../support/gpu.js';
import { randomFrom } from '../support/random.js';
import { rhm } from '../support/run.js';
import { built } from '../support/scenario.js';

const test = suite("sweeps over rows of tokens of one's own");
const scratch = mkdtempSync(join(tmpdir(), 'rhm-own-sweep-'));
test.after(() => rmSync(scratch, { recursive: true }));

const T = 6;
/** A walk on a ring of 5 symbols with rare jumps. */
function walks(seed: number, count: number): number[][] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, () => {
    let at = Math.floor(random() * 5);
    return Array.from({ length: T }, () => {
      at = random() < 0.1 ? Math.floor(random() * 5) : (at + 1) % 5;
      return at;
    });
  });
}
const lines = (rows: number[][]) => `${rows.map((row) => row.join(' ')).join('\n')}\n`;
const npy = (rows: number[][]) => Buffer.concat([npyHeader('|u1', [rows.length, T]), Uint8Array.from(rows.flat())]);
function file(name: string, content: string | Uint8Array): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}
const [first, second, held] = [walks(1, 50), walks(2, 30), walks(3, 33)];
const base = {
  grammar: { v: 5, s: 6, L: 1 },
  model: { kind: 'fcn', width: 8, depth: 1 },
  budget: { batch: 8, epochs: 2 },
} as const;
const wasm = { executor: 'wasm', threads: 1, simd: 'plain' } as const;
const flags = ['--executor', 'wasm', '--threads', '1', '--simd', 'plain'];
const lossesIn = (folder: string) =>
  readFileSync(join(folder, 'records.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .flatMap((record) => (record.type === 'eval' ? [record.loss] : []));
/** Hash and losses of a run on its own. */
async function alone(data: OwnData, seed: number): Promise<[string, number[]]> {
  const { hash, records } = await lab.train({ ...base, seed }, { ...wasm, data });
  return [hash, records.flatMap((record) => (record.type === 'eval' ? [record.loss] : []))];
}
const storedIn = (out: string) =>
  readdirSync(join(out, 'runs'))
    .sort()
    .map((hash) => [hash, lossesIn(join(out, 'runs', hash))]);

const [x, z, y] = [file('x.npy', npy(first)), file('z.txt', lines(second)), file('y.npy', npy(held))];
const grid = { base: { ...base, data: { test: y } }, grid: { 'data.train': [x, z] }, seeds: 2 };
const spec = file('grid.json', JSON.stringify(grid));
const run = (out: string, ...more: string[]) => rhm(['sweep', 'run', spec, '--out', out, ...flags, ...more]);

test('in processes, threads and on this thread: every run has the name and the bits that it has alone', async () => {
  const wanted = (
    await Promise.all([first, second].flatMap((train) => [0, 1].map((seed) => alone({ train, test: held }, seed))))
  ).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const isolate of ['process', 'thread', 'none']) {
    const out = join(scratch, isolate);
    const ran = await run(out, '--isolate', isolate, '--workers', '2');
    assert.is(ran.code, 0, ran.stderr);
    assert.equal(storedIn(out), wanted, isolate);
  }
  const planned = await rhm(['sweep', 'plan', spec, '--out', join(scratch, 'none'), '--json', '--no-calibrate']);
  const { complete, runs, sentences } = JSON.parse(planned.stdout);
  assert.equal([complete, runs, sentences], [4, 4, []]);
});

test('the same command goes on with a sweep; rows that changed are refused before anything is trained', async () => {
  const out = join(scratch, 'process');
  const again = await run(out);
  assert.match(again.stdout, /4 of 4 runs are complete .* 0 trained now/);
  writeFileSync(z, lines([...second.slice(1), second[0]]));
  const before = storedIn(out);
  for (const command of ['run', 'submit']) {
    const more = command === 'run' ? flags : ['--queue', 'redis://127.0.0.1:9'];
    const changed = await rhm(['sweep', command, spec, '--out', out, ...more]);
    assert.is(changed.code, 2, changed.stderr);
    assert.match(
      changed.stderr,
      /z\.txt: holds the rows [0-9a-f]{16}, but runs in .*process were trained on [0-9a-f]{16}; restore the file, or choose another store with --out/,
    );
  }
  assert.equal(storedIn(out), before);
  writeFileSync(z, lines(second));
  assert.is((await run(out)).code, 0);
});

test('sweep() from code sends its workers the rows', async () => {
  const script = new URL(`file://${built('worker.node.js')}`);
  const data = { train: first, test: held };
  const out = join(scratch, 'code');
  const result = await sweep({ base, seeds: 2 }, out, { ...wasm, script, data, workers: 2 });
  assert.equal([result.trained, result.failed], [2, []]);
  const wanted = [await alone(data, 0), await alone(data, 1)].sort(([a], [b]) => (a < b ? -1 : 1));
  assert.equal(storedIn(out), wanted);
  const named = await withData(base, { train: second, test: held });
  const refused = await failure(() => sweep({ base: named }, out, { ...wasm, script, data }));
  assert.match(String(refused), /data\.train: these rows are [0-9a-f]{16}, the experiment names [0-9a-f]{16}/);
  const files = await failure(() =>
    sweep({ base: { ...base, data: { train: x, test: y } } }, out, { ...wasm, script }),
  );
  assert.match(String(files), /data\.train: got ".*x\.npy"; only rhm sweep reads files: pass rows/);
});

test('rows that are sent are those of their digest', async () => {
  const { data } = await withData(base, {
    train: { tokens: first, labels: first.map(([token]) => token) },
    test: held,
  });
  const [labelled] = sentData(digestsOf([{ data }]));
  assert.is(labelled.bytes.length, 4 * (3 + 50 * T + 50));
  const bytes = labelled.bytes.slice();
  bytes[20] ^= 1;
  const error = await failure(() => receiveData({ digest: '0123456789abcdef', bytes }));
  assert.instance(error, InputError);
  assert.match(String(error), /data: rows came as 0123456789abcdef, but are [0-9a-f]{16}; send them again/);
});

test('what does not fit is refused with the name of the field and what helps, exit status 2, nothing written', async () => {
  const ragged = file('ragged.txt', '0 1 2 3 4 0\n0 1 2\n');
  const outside = file('outside.txt', lines([[0, 1, 2, 3, 4, 9], ...first]));
  const short = file('short.txt', lines(first.map((row) => row.slice(1))));
  const rows = { train: x, test: y };
  const refusals: [RegExp, object][] = [
    [
      /data\.train: .*none\.npy: no such file; pass a \.npy file or lines of tokens/,
      { base: { ...base, data: { ...rows, train: join(scratch, 'none.npy') } } },
    ],
    [/data\.test: missing; pass rows of tokens/, { base: { ...base, data: { train: x } } }],
    [/data\.valid: no such set; pass train, validation, test/, { base: { ...base, data: { ...rows, valid: y } } }],
    [/data\.train: got 5; pass the name of a file/, { base: { ...base, data: { ...rows, train: 5 } } }],
    [/data: got "x\.npy"; pass \{"train"/, { base: { ...base, data: 'x.npy' } }],
    [
      /data\.train \(.*ragged\.txt\): row 0 has 6 tokens, row 1 3/,
      { base: { ...base, data: { ...rows, train: ragged } } },
    ],
    [
      /data\.train: contains the token 9, grammar\.v is 5; set grammar\.v/,
      { base: { ...base, data: { ...rows, train: outside } } },
    ],
    [
      /run 1: data\.train: rows of 5 tokens, grammar\.s\^L is 6; set grammar\.s/,
      { base: { ...base, data: rows }, grid: { 'data.train': [x, short] } },
    ],
    [
      /run 1: data\.train: contains the token 4, grammar\.v is 4/,
      { base: { ...base, data: rows }, grid: { 'grammar.v': [5, 4] } },
    ],
    [
      /run 1: data\.train: has 50 rows, but 64 are requested/,
      { base: { ...base, data: rows }, grid: { 'budget.sentences': [32, 64] } },
    ],
    [
      /run 1: data\.test: has no labels, which task 'class'|run 1: data\.train: has no labels, which task 'class'/,
      { base: { ...base, data: rows }, grid: { task: ['last', 'class'] } },
    ],
    [
      /run 1: data\.train: has 30 rows, but 40 are requested/,
      { base: { ...base, budget: { ...base.budget, sentences: 40 }, data: rows }, grid: { 'data.train': [x, z] } },
    ],
    [
      /search: looks for the steps of a grammar's loss, which your own data does not have/,
      {
        base: { ...base, budget: { batch: 8 }, evaluation: { size: 16, validation: 16 }, data: rows },
        search: { steps: [1] },
      },
    ],
  ];
  for (const [i, [says, input]] of refusals.entries()) {
    const out = join(scratch, `refused-${i}`);
    const ran = await rhm(['sweep', 'run', file('bad.json', JSON.stringify(input)), '--out', out, ...flags]);
    assert.is(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, says);
    assert.throws(() => readdirSync(out), /ENOENT/);
  }
  const predicted = await rhm(['sweep', 'predict', spec, '--store', join(scratch, 'process')]);
  assert.is(predicted.code, 2);
  assert.match(predicted.stderr, /data: predictions follow from the laws of a grammar/);
});

test.run();
