import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm, run } from '../support/run.js';

/** The examples run unchanged on the built package. */
const test = suite('examples');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-examples-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const example = (name: string, ...args: string[]) =>
  run(process.execPath, [resolve('test/examples', name), ...args], { env: { RHM_ADAPTER: 'swiftshader' } });

/** Computes with weighted rules by hand: log-probability of each sentence of the example's grammar by walking down its tree. */
function derivations(grammar: { rules: number[][][][]; ruleProbabilities: (number[] | null)[] }) {
  let sentences = grammar.rules[0].map((_, root) => ({ symbols: [root], p: 1 / grammar.rules[0].length }));
  grammar.rules.forEach((level, l) => {
    const weights = grammar.ruleProbabilities[l];
    sentences = sentences.flatMap(({ symbols, p }) => {
      let partial = [{ symbols: [] as number[], p }];
      for (const a of symbols)
        partial = partial.flatMap((one) =>
          level[a].map((tuple, k) => ({
            symbols: [...one.symbols, ...tuple],
            p: one.p * (weights ? weights[k] : 1 / level[a].length),
          })),
        );
      return partial;
    });
  });
  return sentences;
}

test('batchSize.yaml: every grammar at all batch sizes, as many sentences at each', async () => {
  const { code, stdout, stderr } = await rhm([
    'sweep',
    'plan',
    'test/examples/batchSize.yaml',
    '--executor',
    'wasm',
    '--json',
  ]);
  assert.is(code, 0, stderr);
  const { runs, groups } = JSON.parse(stdout);
  assert.is(runs, 4 * 5 + 4 * 4);
  assert.is(groups.length, 5); // batch sizes
});

test('classification.yaml: multiples of n m^L sentences', async () => {
  const file = 'test/examples/classification.yaml';
  const { code, stdout, stderr } = await rhm(['sweep', 'plan', file, '--executor', 'wasm', '--json']);
  assert.is(code, 0, stderr);
  const { runs, groups } = JSON.parse(stdout);
  assert.is(runs, 3 * 7 * 3);
  assert.is(groups.length, 1); // all train side by side
});

test('customGrammar.mjs: exact losses as counted over all derivations, sentences of the grammar, a network that reaches the floor', async () => {
  const { code, stdout, stderr } = await example('customGrammar.mjs');
  assert.is(code, 0, stderr);
  const losses = [...stdout.matchAll(/seeing (\d+) tokens .*: ([\d.]+) nats/g)].map((m) => [
    Number(m[1]),
    Number(m[2]),
  ]);
  assert.equal(
    losses.map(([seen]) => seen),
    [0, 1, 3, 7],
  );
  const all = derivations(JSON.parse(readFileSync(resolve('test/examples/grammar.json'), 'utf8')));
  for (const [seen, loss] of losses) {
    const joint = new Map<string, number>();
    const context = new Map<string, number>();
    for (const { symbols, p } of all) {
      const key = symbols.slice(7 - seen, 7).join();
      context.set(key, (context.get(key) ?? 0) + p);
      joint.set(`${key}|${symbols[7]}`, (joint.get(`${key}|${symbols[7]}`) ?? 0) + p);
    }
    let entropy = 0;
    for (const [key, p] of joint) entropy -= p * Math.log(p / context.get(key.split('|')[0])!);
    assert.ok(Math.abs(entropy - loss) < 1e-4, `${seen} tokens: ${loss}, counted ${entropy}`);
  }
  const known = new Set(all.map(({ symbols }) => symbols.join(' ')));
  const sentences = [...stdout.matchAll(/sentence \d: ([\d ]+)/g)].map((m) => m[1]);
  assert.is(sentences.length, 3);
  for (const sentence of sentences) assert.ok(known.has(sentence), sentence);
  const [, loss, floor] = /done: test loss ([\d.]+) after 1000 steps, the floor is ([\d.]+)/.exec(stdout)!.map(Number);
  assert.ok(loss >= floor - 0.05 && loss < floor + 0.1, `loss ${loss}, floor ${floor}`);
});

test('customGrammar.mjs: a faulty grammar is refused with the place of the fault', async () => {
  const grammar = JSON.parse(readFileSync(resolve('test/examples/grammar.json'), 'utf8'));
  grammar.rules[1][2][1] = [1, 1];
  const file = join(scratch, 'faulty.json');
  writeFileSync(file, JSON.stringify(grammar));
  const { code, stderr } = await example('customGrammar.mjs', file);
  assert.is(code, 1);
  assert.match(stderr, /InputError: rules\[1\]\[2\]\[1\]: the tuple \(1,1\) is already at rules\[1\]\[1\]\[0\]/);
});

test('the same grammar on the command line', async () => {
  const theory = await rhm(['theory', '--rules', resolve('test/examples/grammar.json'), '--json']);
  assert.is(theory.code, 0, theory.stderr);
  const { H } = JSON.parse(theory.stdout);
  const { stdout } = await example('customGrammar.mjs');
  assert.equal(
    [...stdout.matchAll(/: ([\d.]+) nats/g)].map((m) => m[1]),
    H.map((h: number) => h.toFixed(4)),
  );
});

test('trainInWorker.mjs: receives evaluations, aborts, gets the checkpoint, and its thread was free meanwhile', async () => {
  const { code, stdout, stderr } = await example('trainInWorker.mjs', '1.2');
  assert.is(code, 0, stderr);
  const losses = [...stdout.matchAll(/sentences: test loss ([\d.]+)/g)].map((m) => Number(m[1]));
  assert.ok(losses.length > 5 && losses.some((loss) => loss < 1.2), stdout);
  const [, step, bytes, ticks] = /stopped at step (\d+); a checkpoint of (\d+) bytes; (\d+) ticks/
    .exec(stdout)!
    .map(Number);
  assert.ok(step > 0 && step < 100_000);
  assert.ok(bytes > 3 * 4 * (16 * 64 + 2 * 128 * 64 + 64 * 8), 'weights, velocity and best weights');
  assert.ok(ticks > 0);
});

test("analyzeRuns.mjs: two runs' first step, a summary, and a table", async () => {
  const out = join(scratch, 'analysed');
  const { code, stdout, stderr } = await example('analyzeRuns.mjs', out);
  assert.is(code, 0, stderr);
  const [, first] = /^hcnn: P_1 = (\d+)/m.exec(stdout)!;
  assert.ok(Number(first) > 32 && Number(first) < 512 * 32, stdout);
  const csv = readFileSync(join(out, 'curves.csv'), 'utf8');
  assert.match(
    csv,
    /^series,v,n,m,s,L,grammar,replica,samples,loss,accuracy,floor,excess,limited\r\nhcnn,8,8,3,2,3,1,/,
  );
  assert.is(csv.match(/hcnn,8,8,3,2,3,2,/g)!.length, csv.match(/hcnn,8,8,3,2,3,1,/g)!.length);
});

test('ownText.mjs: correlations fall with distance; the network beats counts of one letter', async () => {
  const { code, stdout, stderr } = await example('ownText.mjs');
  assert.is(code, 0, stderr);
  const signals = [...stdout.matchAll(/^ +\d {2}(\S+) \+-/gm)].map(([, x]) => Number(x));
  assert.is(signals.length, 7);
  assert.ok(signals[0] > 2 * signals[1] && signals[1] > 2 * signals[2] && signals[2] > signals[4], String(signals));
  const counts = [...stdout.matchAll(/counts of \d letters before it: (\S+)/g)].map(([, x]) => Number(x));
  const network = Number(/transformer over 7 letters: (\S+) at best/.exec(stdout)![1]);
  assert.ok(counts[0] > counts[1] && counts[1] > counts[2], String(counts));
  assert.ok(network < counts[1] - 0.1 && network > 1.5, `${network}`);
});

test('ownMlp.mjs: gradients on both executors are those of differences, and it learns', async () => {
  const text = readFileSync('test/examples/ownMlp.mjs', 'utf8');
  assert.ok(text.split('\n').length <= 60, 'under 60 lines');
  const { code, stdout, stderr } = await example('ownMlp.mjs');
  assert.is(code, 0, stderr);
  const checks = [...stdout.matchAll(/^(wasm|webgpu): (w1|b1|w2) (\S+), by differences (\S+)$/gm)];
  assert.is(checks.length, 6);
  const largest = Math.max(...checks.map(([, , , x]) => Math.abs(Number(x))));
  for (const [line, , , got, central] of checks)
    assert.ok(Math.abs(Number(got) - Number(central)) < 1e-5 * largest, line); // f32 sums of 64 terms
  assert.is(stdout.match(/: loss 0\.0\d+ nats, 100 % right/g)?.length, 2);
});

test.run();
