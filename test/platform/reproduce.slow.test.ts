import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm } from '../support/run.js';

const test = suite('rhm reproduce');
const folder = mkdtempSync(join(tmpdir(), 'rhm-reproduce-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

// One run at a time: the 15 runs of this figure take 14 s on one core of a server, four times a slice.
const slice = async () => {
  const args = ['correlations', '--minutes', '0.06', '--out', folder, '--json', '--executor', 'wasm', '--threads', '1'];
  const ran = await rhm(['reproduce', ...args]);
  assert.is(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout);
};

test('a slice of the quick scale trains real runs, stops in time, and the next slice goes on', async () => {
  const first = await slice();
  assert.ok(first.interrupted, JSON.stringify(first.summary));
  assert.ok(first.summary.length >= 2 && first.summary.length <= 5);
  const records = () =>
    readdirSync(join(folder, 'runs')).map((hash) => readFileSync(join(folder, 'runs', hash, 'records.jsonl'), 'utf8'));
  const before = records().join('').length;
  let second = await slice();
  assert.is(second.skipped, first.trained);
  assert.ok(records().join('').length > before);
  // A busy machine may need more slices to end some runs.
  for (let slices = 2; second.skipped + second.trained < 7; slices++) {
    assert.ok(slices < 30, 'thirty slices train no seven runs');
    second = await slice();
  }
  for (const text of records()) {
    const steps = text
      .split('\n')
      .filter((line) => line.includes('"eval"'))
      .map((line) => JSON.parse(line).step);
    assert.equal(
      steps,
      [...new Set(steps)].sort((a, b) => a - b),
      'a step is recorded once, in order',
    );
  }
  assert.match(readFileSync(second.report, 'utf8'), /WebAssembly/);
  // Correlations are exact and do not wait for training.
  const correlations = second.findings.filter((f: { section: string }) => f.section === 'correlation');
  assert.ok(correlations.length >= 3);
  for (const { predicted, measured } of correlations)
    assert.ok(measured.value > predicted / 2 && measured.value < predicted * 2, `${measured.value}, law ${predicted}`);
});

test('runs of another store count: they are not trained again, and are in the report', async () => {
  const other = mkdtempSync(join(tmpdir(), 'rhm-reproduce-other-'));
  const args = ['reproduce', 'correlations', '--minutes', '0.05', '--json', '--executor', 'wasm', '--threads', '1'];
  const alone = await rhm([...args, '--out', other]);
  assert.is(alone.code, 0, alone.stderr);
  const merged = await rhm([...args, '--out', other, '--store', folder]);
  assert.is(merged.code, 0, merged.stderr);
  const [before, after] = [JSON.parse(alone.stdout), JSON.parse(merged.stdout)];
  assert.ok(after.skipped > before.trained + before.skipped, `${after.skipped}, ${before.trained}`);
  assert.is((await rhm([...args, '--out', other, '--store', join(folder, 'nowhere')])).code, 2);
  rmSync(other, { recursive: true, force: true });
});

test('--dry-run lists the runs; an unknown figure and scale exit with 2', async () => {
  const { code, stdout } = await rhm(['reproduce', '--dry-run', '--json', '--scale', 'paper']);
  assert.is(code, 0);
  assert.ok(JSON.parse(stdout).length >= 3 * (8 + 4));
  assert.is((await rhm(['reproduce', 'curvs'])).code, 2);
  assert.is((await rhm(['reproduce', '--scale', 'huge'])).code, 2);
});

test('--runs takes words of the names, with commas or without; words that name nothing are refused', async () => {
  const dry = ['reproduce', 'data', '--scale', 'paper', '--dry-run', '--runs'];
  const one = await rhm([...dry, 'hcnn data v=32 grammar 2']);
  assert.is(one.stdout.trim().split('\n').length, 1, one.stdout);
  assert.is((await rhm([...dry, 'hcnn data, v=32, grammar 2'])).stdout, one.stdout);
  const none = await rhm([...dry, 'hcnn v=33']);
  assert.is(none.code, 2);
  assert.match(none.stderr, /--runs "hcnn v=33": no run's name holds all of these words; --dry-run lists the names/);
});

test.run();
