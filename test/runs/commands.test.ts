/** `rhm runs`, `show` and `compare` as a user meets them. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exactPlateaus } from '../../src/analysis/curves.js';
import { stepThreshold } from '../../src/analysis/staircase.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { parseRecords } from '../../src/core/records.js';
import { rulesOf } from '../../src/training/members.js';
import { type Ran, rhm, sweepInto } from '../support/run.js';
import { makeSyntheticStore, syntheticHash } from '../support/syntheticStore.js';

const test = suite('rhm runs, show, compare');
let scratch = '';
let store = '';

const GRID = `
base:
  model: hcnn
  grammar: {v: 6, m: 2, L: 2, seed: 3}
  budget: {batch: 16, steps: 1500}
  evaluation: {size: 256}
  measures: [norms]
grid:
  model.width: [8, 16]
seeds: 2
`;

test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-runs-'));
  store = join(scratch, 'store');
  writeFileSync(join(scratch, 'grid.yaml'), GRID);
  await sweepInto(store, join(scratch, 'grid.yaml'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const json = (ran: Ran) => {
  assert.is(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout);
};
const list = async (...args: string[]) => json(await rhm(['runs', ...args, '--json']));
const refused = (ran: Ran, pattern: RegExp) => {
  assert.is(ran.code, 2, ran.stderr);
  assert.match(ran.stderr, pattern);
  assert.is(ran.stderr.trim().split('\n').length, 1);
};

test('runs: state, last loss, nearest plateau, P_ell where the curve passes the middles', async () => {
  const { total, matched, runs } = await list(store);
  assert.equal([total, matched, runs.length], [4, 4, 4]);
  for (const run of runs) {
    const folder = join(store, 'runs', run.run);
    const experiment = parseExperiment(JSON.parse(readFileSync(join(folder, 'experiment.json'), 'utf8')));
    const H = exactPlateaus(rulesOf(experiment));
    const evals = parseRecords(readFileSync(join(folder, 'records.jsonl'), 'utf8')).records.filter(
      (r) => r.type === 'eval',
    );
    const last = evals.at(-1)!;
    assert.equal([run.folder, run.state, run.step, run.steps], [folder, 'done', 1500, 1500]);
    assert.equal(
      [run.lastLoss, run.bestLoss, run.loss],
      [last.loss, Math.min(...evals.map(({ loss }) => loss)), undefined],
    );
    assert.equal(run.plateaus, H);
    const middles = H.slice(1).map((_, i) => stepThreshold(H, i + 1));
    assert.is(run.level, middles.filter((middle) => last.loss <= middle).length);
    assert.is(run.level, 2, 'the runs of this test learn both levels');
    middles.forEach((middle, i) => {
      const at = evals.findIndex(({ loss }) => loss <= middle);
      const { ell, samples, steps } = run.P[i];
      assert.is(ell, i + 1);
      assert.ok(samples >= evals[at - 1].samples && samples <= evals[at].samples, `P_${ell} = ${samples}`);
      assert.is(steps, Math.round(samples / 16));
    });
  }
  const { stdout } = await rhm(['runs', store]);
  assert.match(stdout, /^RUN +STATE +STEP +OF +LAST LOSS +BEST LOSS +NEAREST +P_1 +P_2 +NAME\n/);
  assert.is(stdout.split('\n').filter((line) => /^[0-9a-f]{16} +done/.test(line)).length, 4);
});

test('runs --csv: a row per run, numbers unrounded, the settings that differ, all runs unless --limit is given', async () => {
  const csv = async (...args: string[]) => {
    const ran = await rhm(['runs', store, '--csv', ...args]);
    assert.is(ran.code, 0, ran.stderr);
    return ran.stdout
      .trim()
      .split('\r\n')
      .map((line) => line.split(','));
  };
  const [head, ...rows] = await csv('--sort', 'run');
  assert.equal(head, [
    ...[
      'run',
      'name',
      'folder',
      'state',
      'error',
      'step',
      'steps',
      'samples',
      'lastLoss',
      'bestLoss',
      'accuracy',
      'level',
    ],
    ...['P_1', 'P_2', 'H_0', 'H_1', 'H_2', 'model.width', 'seed'],
  ]);
  const { runs } = await list(store, '--sort', 'run');
  const of = (row: string[], name: string) => row[head.indexOf(name)];
  for (const [i, run] of runs.entries()) {
    const { lastLoss, bestLoss, samples, P, plateaus, experiment } = run;
    assert.is(of(rows[i], 'run'), run.run);
    const expected = { lastLoss, bestLoss, samples, P_1: P[0].samples, P_2: P[1].samples };
    const numbers = { ...expected, H_0: plateaus[0], H_2: plateaus[2], 'model.width': experiment.model.width };
    for (const [name, value] of Object.entries(numbers)) assert.is(Number(of(rows[i], name)), value, name);
  }
  assert.is(rows.length, 4);
  assert.is((await csv('--limit', '1')).length, 2);
  const [lone, ...none] = await csv('--where', 'seed > 9', '--columns', 'budget.steps', 'H_1');
  assert.equal([lone.at(-2), lone.at(-1), none.length], ['budget.steps', 'H_1', 0], 'a header without rows');
  refused(await rhm(['runs', store, '--csv', '--json']), /--csv: got with --json/);
});

test('runs: conditions on any field, order, limit, more columns', async () => {
  const seeds = (value: { runs: { experiment: { seed: number } }[] }) => value.runs.map((run) => run.experiment.seed);
  const some = await list(store, '--where', 'model.width=8', 'seed>0');
  assert.equal([some.total, some.matched, seeds(some)], [4, 1, [1]]);
  assert.is((await list(store, '--where', "model.width * 2 == 16 && state != 'failed'")).matched, 2);
  assert.is((await list(store, '--where', 'model=hcnn')).matched, 4);
  assert.is((await list(store, '--where', 'model=mla')).matched, 0);
  assert.is((await list(store, '--where', 'name~width=16')).matched, 2);
  assert.is((await list(store, '--where', 'budget.sentences > 3')).matched, 0, 'a field that no run has');
  assert.is((await list(store, '--where', 'budget.sentences > seed')).matched, 0, 'the same in an expression');
  assert.is((await list(store, '--where', 'level=2', 'P_2 < 1e9')).matched, 4);
  assert.is((await list(store, '--where', 'P_2 < P_1')).matched, 0);
  const byLoss = await list(store, '--sort', 'loss', '--limit', '3');
  const losses = byLoss.runs.map((run: { lastLoss: number }) => run.lastLoss);
  assert.equal(
    losses,
    [...losses].sort((a, b) => a - b),
  );
  assert.equal([byLoss.matched, losses.length], [4, 3]);
  const worst = await list(store, '--sort', 'loss', '--reverse', '--limit', '1');
  assert.ok(worst.runs[0].lastLoss >= losses[2]);
  const byPosition = await list(store, '--sort', 'P_1');
  const positions = byPosition.runs.map((run: { P: { samples: number }[] }) => run.P[0].samples);
  assert.equal(
    positions,
    [...positions].sort((a, b) => a - b),
  );
  const { stdout } = await rhm(['runs', store, '--columns', 'seed', 'model.width', '--sort', 'seed']);
  assert.match(stdout, / seed +model\.width +NAME\n/);
  // The store and single runs below one folder.
  assert.is((await list(scratch, '--where', 'model.width=8')).matched, 2);
});

test('runs: a fault is reported in one line, with the whole name of the nearest field', async () => {
  refused(await rhm(['runs', store, '--where', 'widht=8']), /no field widht; did you mean model\.width\?/);
  refused(await rhm(['runs', store, '--where', 'model.widht=8']), /no field model\.widht; did you mean model\.width\?/);
  refused(await rhm(['runs', store, '--sort', 'los']), /no field los; did you mean loss\?/);
  refused(await rhm(['runs', store, '--columns', 'setp']), /did you mean step\?/);
  refused(await rhm(['runs', store, '--where', 'seed > > 3']), /--where seed > > 3: /);
  refused(await rhm(['runs', store, '--limit', '-1']), /at least 0/);
  refused(await rhm(['runs', join(scratch, 'nowhere')]), /nowhere: no such folder/);
});

test('runs: a store of many runs is listed from its index; fields are read once, into a copy', async () => {
  const many = join(scratch, 'many');
  makeSyntheticStore(many, 500);
  const failed = await list(many, '--where', 'state=failed', '--limit', '2');
  assert.equal([failed.total, failed.matched, failed.runs.length], [500, 50, 2]);
  assert.not(existsSync(join(many, 'experiments.jsonl')), 'no field of an experiment was asked for');
  assert.is((await rhm(['runs', many, '--csv'])).stdout.trim().split('\r\n').length, 501, 'all of them, and a header');
  const first = await list(many, '--where', 'model.width=16', 'seed<20', '--sort', 'seed');
  assert.is(first.matched, 10);
  assert.equal(
    first.runs.map((run: { run: string }) => run.run),
    [1, 3, 5, 7, 9, 11, 13, 15, 17, 19].map(syntheticHash),
  );
  assert.is(readFileSync(join(many, 'experiments.jsonl'), 'utf8').split('\n').filter(Boolean).length, 500);
  // Runs that are in the copy are not opened again; missing ones, and invalid lines, are.
  for (let i = 100; i < 500; i++) rmSync(join(many, 'runs', syntheticHash(i), 'experiment.json'));
  const lines = readFileSync(join(many, 'experiments.jsonl'), 'utf8').split('\n').filter(Boolean);
  writeFileSync(join(many, 'experiments.jsonl'), `{"run":"half\n\n${lines.slice(1).join('\n')}\n`);
  const second = await list(many, '--where', 'model.width=16', 'seed<20', '--sort', 'seed');
  assert.equal(
    second.runs.map((run: { run: string }) => run.run),
    first.runs.map((run: { run: string }) => run.run),
  );
  assert.is((await list(many, '--where', 'seed=499')).matched, 1);
  // Without the copy the folders are read.
  rmSync(join(many, 'experiments.jsonl'));
  assert.is((await list(many, '--where', 'seed=499')).matched, 0);
});

test('a sweep keeps the experiments of its runs in the copy, each once', async () => {
  const kept = () => readFileSync(join(store, 'experiments.jsonl'), 'utf8').split('\n').filter(Boolean);
  const runs = readdirSync(join(store, 'runs')).sort();
  assert.equal(
    kept()
      .map((line) => JSON.parse(line).run)
      .sort(),
    runs,
  );
  for (const line of kept()) {
    const { run, experiment } = JSON.parse(line);
    assert.equal(experiment, JSON.parse(readFileSync(join(store, 'runs', run, 'experiment.json'), 'utf8')));
  }
  const again = await rhm(['sweep', 'run', join(scratch, 'grid.yaml'), '--out', store, '--isolate', 'none']);
  assert.is(again.code, 0);
  assert.is(kept().length, runs.length);
});

test('show: a run by folder, hash, beginning or name; settings, curve, measures', async () => {
  const [hash] = readdirSync(join(store, 'runs'));
  const folder = join(store, 'runs', hash);
  const named = (await list(store, '--where', `run=${hash}`)).runs[0].name;
  const shown = json(await rhm(['show', folder, '--json']));
  for (const args of [
    [`${store}/runs/${hash}/`],
    [join(store, hash.slice(0, 6))],
    [hash.slice(0, 6), '--store', store],
    [named, '--store', store],
  ])
    assert.is(json(await rhm(['show', ...args, '--json'])).run, hash, args.join(' '));
  assert.is(
    shown.curve.length,
    parseRecords(readFileSync(join(folder, 'records.jsonl'), 'utf8')).records.filter((r) => r.type === 'eval').length,
  );
  assert.ok(shown.measures.every((m: { step: number }) => m.step === 1500));
  assert.equal(
    shown.measures.map((m: { name: string }) => m.name),
    ['weight-norm', 'gradient-norm'],
  );
  assert.equal([shown.faults, shown.problems, shown.start.executor], [[], [], 'wasm']);
  const { stdout, code } = await rhm(['show', folder]);
  assert.is(code, 0);
  assert.match(stdout, /settings other than the defaults of hcnn:\n(.*\n)* {2}model\.width +(8|16)\n/);
  assert.not.match(stdout, /schedule\.kind/);
  assert.not.match(stdout, /replicas/);
  assert.match(stdout, /H\(0\)\n(.*\n)+.*H\(1\)\n(.*\n)+.*H\(2\)\n/);
  assert.not.ok(stdout.includes('\x1b'));
});

test('train and show: a step of the loss taken after more sentences than the language has; means over replicas', async () => {
  // 4 root symbols and, at 7 symbols of a tree, 2 rules: 4 x 2^7 = 512 sentences.
  const trained = async (name: string, ...more: string[]) => {
    const out = join(scratch, name);
    const set =
      'model=hcnn model.width=16 grammar.v=4 grammar.m=2 grammar.L=3 grammar.seed=1 evaluation.size=256'.split(' ');
    const steps = ['budget.batch=32', 'budget.steps=600', 'replicas=2', ...more];
    const ran = await rhm(['train', '--set', ...set, ...steps, '--executor', 'wasm', '--threads', '1', '--out', out]);
    assert.is(ran.code, 0, ran.stderr);
    const shown = await rhm(['show', out]);
    assert.is(shown.code, 0, shown.stderr);
    return { messages: ran.stderr, text: shown.stdout, P: json(await rhm(['show', out, '--json'])).P };
  };
  const note =
    /^P_1 = \S+, P_2 = \S+: more sentences than the language has, 512; beyond a tenth of it .* not a sample complexity$/m;
  const once = await trained('onePass');
  assert.ok(once.P[0].samples > 512 && once.P[1].samples > once.P[0].samples, 'both steps are taken');
  assert.match(once.messages, note);
  assert.match(once.text, note);
  assert.match(once.text, /^ {2}replicas +mean of 2 replicas: /m);
  assert.match(once.text, /^ELL +H\(ELL\) +P_ELL +TRAINING STEPS$/m);
  assert.match(once.text, /log axes/);
  // A training set is repeated on purpose.
  const again = await trained('repeats', 'budget.sentences=256');
  assert.ok(again.P[0].samples > 512);
  assert.not.match(again.messages + again.text, /more sentences than the language has/);
});

test('show: an unknown run names the nearest ones, one with a damaged file reports it', async () => {
  const hashes = readdirSync(join(store, 'runs'));
  const last = hashes[0].slice(-1) === '0' ? '1' : '0';
  const wrong = hashes[0].slice(0, -1) + last;
  refused(await rhm(['show', wrong, '--store', store]), new RegExp(`no such run in .*nearest: ${hashes[0]}`));
  refused(
    await rhm(['show', 'model.width=8 sed=1', '--store', store]),
    /nearest: [0-9a-f]{16} \(model\.width=8 seed=1\)/,
  );
  refused(await rhm(['show', 'nosuchrun', '--store', store]), /nosuchrun: no such run in .*; nearest: [0-9a-f]{16} /);
  refused(
    await rhm(['show', 'nosuchrun', '--store', join(scratch, 'none')]),
    /there is none here; pass the folder of a run/,
  );
  refused(await rhm(['show', 'model.width=8', '--store', store]), /no such run/);
  refused(await rhm(['show', store]), /: a folder of runs, not a run; rhm runs .* lists them/);
  const damaged = join(scratch, 'damaged');
  makeSyntheticStore(damaged, 2);
  const { code, stdout } = await rhm(['show', join(damaged, 'runs', syntheticHash(0))]);
  assert.is(code, 1);
  assert.match(stdout, /damaged: .*experiment\.json: contains experiment/);
});

test('compare: the fields that differ, the curves as text and as a picture', async () => {
  const { runs } = await list(store, '--sort', 'name');
  const [a, , c] = runs.map((run: { run: string }) => run.run); // width 16 and 8, both of seed 0
  const picture = join(scratch, 'curves.svg');
  const found = json(await rhm(['compare', a, c, '--store', store, '--picture', picture, '--json']));
  assert.equal(Object.keys(found.differs), ['model.width']);
  assert.equal(
    found.differs['model.width'],
    [a, c].map((hash) => runs.find((run: { run: string }) => run.run === hash).experiment.model.width),
  );
  const svg = readFileSync(picture, 'utf8');
  assert.match(svg, /^<svg .*width=\d+/s);
  for (const text of ['width=8', 'width=16', 'H(0)', 'H(1)', 'H(2)', 'v=6 m=2 s=2 L=2'])
    assert.ok(svg.includes(text), text);
  const text = await rhm(['compare', a, c, '--store', store]);
  assert.match(text.stdout, /^model\.width +(8|16) +(8|16)$/m);
  assert.not.match(text.stdout, /^seed /m);
  assert.match(text.stdout, /a {2}width=\d+\n.*b {2}width=\d+\n/);
  const png = join(scratch, 'curves.png');
  assert.is((await rhm(['compare', a, c, '--store', store, '--picture', png, '--dark'])).code, 0);
  assert.equal([...readFileSync(png).subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
  refused(await rhm(['compare', a, a, '--store', store]), /two different runs/);
  refused(await rhm(['compare', a, c, '--store', store, '--picture', 'x.gif']), /\.svg or \.png/);
});

test.run();
