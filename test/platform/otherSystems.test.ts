import { mkdtempSync, type renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { renameOver } from '../../src/platform/durable.js';
import { rhm } from '../support/run.js';

/** Differences of Windows and macOS, as far as they can be simulated elsewhere. */
const test = suite('other systems');

let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-systems-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

/** A rename that is refused a number of times. */
function refusing(times: number, code: string) {
  const calls: string[] = [];
  const rename = ((from: string, to: string) => {
    calls.push(`${from} ${to}`);
    if (calls.length <= times) throw Object.assign(new Error(code), { code });
  }) as typeof renameSync;
  return { calls, rename };
}

for (const code of ['EPERM', 'EACCES', 'EBUSY'])
  test(`Windows: a rename over a file that is being read is retried (${code})`, () => {
    const { calls, rename } = refusing(3, code);
    renameOver('a', 'b', 'win32', rename);
    assert.equal(calls, ['a b', 'a b', 'a b', 'a b']);
  });

test('Windows: a file that stays locked is said to be, and another error at once', () => {
  const locked = refusing(Infinity, 'EPERM');
  assert.throws(() => renameOver('a', 'b', 'win32', locked.rename), /EPERM/);
  assert.ok(locked.calls.length > 5);
  const missing = refusing(Infinity, 'ENOENT');
  assert.throws(() => renameOver('a', 'b', 'win32', missing.rename), /ENOENT/);
  assert.is(missing.calls.length, 1);
});

test('elsewhere a refused rename is final', () => {
  const { calls, rename } = refusing(1, 'EPERM');
  assert.throws(() => renameOver('a', 'b', 'linux', rename), /EPERM/);
  assert.is(calls.length, 1);
});

const experiment = JSON.stringify({ model: 'hcnn', grammar: { v: 6, m: 2, L: 2 }, budget: { steps: 3 } }, null, 2);

for (const [what, text] of [
  ['line ends of Windows', experiment.replaceAll('\n', '\r\n')],
  ['a byte order mark', `\uFEFF${experiment}`],
  ['YAML with both', '\uFEFFmodel: hcnn\r\ngrammar: {v: 6, m: 2, L: 2}\r\nbudget: {steps: 3}\r\n'],
] as const)
  test(`an experiment with ${what}`, async () => {
    const file = join(scratch, 'experiment.yaml');
    writeFileSync(file, text);
    const { code, stderr, stdout } = await rhm(['train', file, '--dry-run', '--json']);
    assert.is(code, 0, stderr);
    assert.is(JSON.parse(stdout).experiment.grammar.v, 6);
  });

test('rules and tokens with line ends of Windows and a byte order mark', async () => {
  const rules = await rhm(['rules', '-v', '6', '-m', '2', '-L', '2', '--seed', '1', '--json']);
  const file = join(scratch, 'rules.json');
  writeFileSync(file, `\uFEFF${rules.stdout.replaceAll('\n', '\r\n')}`);
  const sample = await rhm(['sample', '--rules', file, '--count', '3', '--seed', '2', '--format', 'text']);
  assert.is(sample.code, 0, sample.stderr);
  const tokens = join(scratch, 'tokens.txt');
  writeFileSync(tokens, `\uFEFF${sample.stdout.replaceAll('\n', '\r\n')}`);
  const inferred = await rhm(['infer', '--rules', file, '--tokens', tokens, '--json']);
  assert.is(inferred.code, 0, inferred.stderr);
});

test.run();
