/** `rhm sweep predict` as a user meets it: a store of curves with planted P_ell, a grid, and what it refuses. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm } from '../support/run.js';
import { lawPositions, Normal, syntheticDataRuns } from '../support/syntheticRuns.js';

const test = suite('rhm sweep predict');
let scratch = '';
let store = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-predict-'));
  store = join(scratch, 'store');
  const random = new Normal(11);
  for (const m of [2, 3, 4])
    for (const seed of [1, 2, 3]) {
      const shape = { v: 8, n: 8, m, s: 2, L: 3 };
      const staircase = { positions: lawPositions(shape, 'hcnn', 4, 0.15, random), width: 0.8 };
      const sizes = Array.from({ length: 10 }, (_, i) => 32 * 2 ** i);
      for (const run of syntheticDataRuns({
        shape,
        grammarSeed: 10 * m + seed,
        staircase,
        sizes,
        path: `m${m}-${seed}`,
      })) {
        const folder = join(store, run.path);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, 'experiment.json'), run.experiment);
        writeFileSync(join(folder, 'rules.json'), run.rules!);
        writeFileSync(join(folder, 'records.jsonl'), run.records!);
      }
    }
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const base = {
  model: { kind: 'hcnn', width: 64 },
  grammar: { v: 8, L: 3 },
  budget: { batch: 32, patience: 2 },
  evaluation: { size: 64, validation: 32 },
};

function write(name: string, grid: object): string {
  const file = join(scratch, `${name}.json`);
  writeFileSync(file, JSON.stringify(grid));
  return file;
}

const searched = () =>
  write('searched', { base, grid: { 'grammar.m': [3, 4, 5] }, seeds: [90, 91], search: { steps: [1, 2], to: 4096 } });

test('P_ell of curves and losses of runs, how good it is, and what it leaves out', async () => {
  const ran = await rhm(['sweep', 'predict', searched(), '--store', store, '--json']);
  assert.is(ran.code, 0, ran.stderr);
  const value = JSON.parse(ran.stdout);
  assert.equal([value.curves, value.alike, value.trained, value.predictions.length], [9, 9, 0, 6]);
  for (const { name, P, loss } of value.predictions) {
    assert.is(loss, undefined);
    assert.equal(P.length, 2);
    for (const step of P) {
      if (name.includes('m=5')) assert.is(step.refused, 'grammar.m 5: the store has 2 to 4');
      else {
        const m = name.includes('m=3') ? 3 : 4;
        const law = (8 / (1 - m / 8)) * (step.ell === 1 ? m : m ** 3);
        assert.ok(step.low < step.value && step.value < step.high, JSON.stringify(step));
        assert.ok(step.value / (4 * law) > 0.6 && step.value / (4 * law) < 1.7, `${name} P_${step.ell}: ${step.value}`);
      }
    }
  }
  const results = value.unseen.map((row: { result: string }) => row.result);
  assert.equal(results, ['P_1', 'P_2', 'P_3', 'loss']);
  for (const { asked, predicted, inside } of value.unseen)
    assert.ok(asked > 0 && predicted > 0 && inside > 0.7 * predicted, JSON.stringify(value.unseen));
  const text = await rhm(['sweep', 'predict', searched(), '--store', store, '--no-validate']);
  assert.match(text.stdout, /RUN +P_1 +P_2\n/);
  assert.match(text.stdout, /grammar.m=3 seed=90 +\d+ \[\d+, \d+\] +\d/);
  assert.match(text.stdout, /not predicted \(4\): grammar.m 5: the store has 2 to 4/);
  assert.match(text.stdout, /hcnn: P_2 is [\d.]+ times the law, times grammar.m\^\(-?[\d.]+ ± [\d.]+\); from 9 curves/);
  assert.not.match(text.stdout, /did not see/);
});

test('runs of a grid without a search: losses, without those that are trained; suggestions among its P', async () => {
  const spec = write('listed', {
    base,
    grid: { 'grammar.m': [3], 'budget.sentences': [64, 512, 4096] },
    seeds: [31, 90],
  });
  // The store's runs of seed 31 were made with 10,000 steps: the P they cover are already trained.
  const ran = await rhm(['sweep', 'predict', spec, '--store', store, '--no-validate', '--suggest', '1', '--json']);
  assert.is(ran.code, 0, ran.stderr);
  const { trained, predictions, suggestions } = JSON.parse(ran.stdout);
  assert.is(trained, 3);
  const losses = predictions.map((one: { loss: { value: number } }) => one.loss.value);
  assert.is(losses.length, 3);
  assert.ok(losses[0] > losses[1] && losses[1] > losses[2], losses.join());
  assert.equal(
    suggestions.map(({ name }: { name: string }) => /seed=90/.test(name)),
    [true],
  );
  assert.ok([64, 512, 4096].includes(suggestions[0].sentences) && suggestions[0].after < suggestions[0].before);
});

test('suggestions for the power of m take the sizes that the store lacks', async () => {
  const more = ['--store', store, '--no-validate', '--suggest', '2', '--result', 'power_2'];
  const ran = await rhm(['sweep', 'predict', searched(), ...more]);
  assert.is(ran.code, 0, ran.stderr);
  const [, named] = ran.stdout.split('to narrow the power of m in P_2:\n');
  assert.equal(
    named
      .trim()
      .split('\n')
      .map((line) => /m=(\d)/.exec(line)![1]),
    ['5', '5'],
  );
  assert.match(named, /standard deviation of the power 0\.\d+ to 0\.\d+/);
});

test('impossible requests: no store, no runs of the model, another task, results that do not exist', async () => {
  const refused = async (args: string[], message: RegExp) => {
    const ran = await rhm(['sweep', 'predict', ...args]);
    assert.is(ran.code, 2, `${args}: ${ran.stdout}`);
    assert.match(ran.stderr, message);
  };
  await refused([searched(), '--store', join(scratch, 'nowhere')], /nowhere: no such folder/);
  await refused([searched()], /out\/sweep-searched: no such folder/);
  const mla = write('mla', {
    base: { ...base, model: { kind: 'mla', channels: 32, heads: 4 } },
    search: { steps: [1], to: 512 },
  });
  await refused(
    [mla, '--store', store],
    /nothing of this grid can be predicted: no curves of mla in the store, which has hcnn; rhm sweep run trains/,
  );
  const classes = write('classes', { base: { ...base, task: 'class' }, seeds: 1 });
  await refused([classes, '--store', store], /task class has no known steps of its loss/);
  await refused([searched(), '--store', store, '--suggest', '0'], /from 1 to 1000/);
  await refused([searched(), '--store', store, '--suggest', '1', '--result', 'Q_2'], /Pass P_ell, such as P_2/);
  await refused(
    [searched(), '--store', store, '--suggest', '1', '--result', 'P_9'],
    /step 9 is beyond the last of these runs, 3/,
  );
  await refused([searched(), '--store', store, '--result', 'P_2'], /pass --suggest N too/);
});

test.run();
