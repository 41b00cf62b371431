/** `-` for a file to read is standard input, in the encodings that editors and shells write. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('standard input');
const scratch = mkdtempSync(join(tmpdir(), 'rhm-stdin-'));
test.after(() => rmSync(scratch, { recursive: true, force: true }));
const cli = resolve('dist/cli.js');
const rhm = (args: string[], input: string | Buffer = '') =>
  spawnSync(process.execPath, [cli, ...args], { input, encoding: 'utf8', timeout: 60_000 });
const grammar = JSON.stringify(JSON.parse(rhm(['rules', '-v', '6', '-m', '2', '-L', '2']).stdout), null, 1);

test('--rules - is the grammar of a file, also with a byte-order mark and CRLF', () => {
  const file = join(scratch, 'rules.json');
  writeFileSync(file, grammar);
  for (const command of [
    ['theory', '--json'],
    ['sample', '--count', '5', '--seed', '3'],
  ]) {
    const wanted = rhm([...command, '--rules', file]);
    assert.is(wanted.status, 0, wanted.stderr);
    for (const text of [grammar, `\ufeff${grammar}`, grammar.replaceAll('\n', '\r\n')]) {
      const { status, stdout, stderr } = rhm([...command, '--rules', '-'], text);
      assert.is(status, 0, stderr);
      assert.is(stdout, wanted.stdout);
    }
  }
});

test('train - is the experiment of a file', () => {
  const experiment =
    '{"model": {"kind": "hcnn", "width": 8},\r\n "grammar": {"v": 6, "m": 2, "L": 2}, "budget": {"steps": 1}}';
  const out = join(scratch, 'run');
  const { status, stderr } = rhm(
    ['train', '-', '--out', out, '--executor', 'wasm', '--threads', '1'],
    `\ufeff${experiment}`,
  );
  assert.is(status, 0, stderr);
  const kept = JSON.parse(readFileSync(join(out, 'experiment.json'), 'utf8'));
  assert.is(kept.model.width, 8);
  assert.is(kept.budget.steps, 1);
});

test('train - takes what fields --yaml prints', () => {
  for (const kind of ['mla', 'clm']) {
    const file = rhm(['fields', '--yaml', '--model', kind]).stdout;
    const task = kind === 'clm' ? ['task=auto'] : [];
    const [listed, plain] = [
      rhm(['train', '-', '--dry-run', '--json'], file),
      rhm(['train', '--set', `model=${kind}`, ...task, '--dry-run', '--json']),
    ];
    assert.equal([listed.status, plain.status], [0, 0], listed.stderr);
    assert.is(JSON.parse(listed.stdout).hash, JSON.parse(plain.stdout).hash);
  }
});

test('input that is not UTF-8 or not JSON is reported as standard input', () => {
  for (const args of [
    ['train', '-', '--out', join(scratch, 'none')],
    ['theory', '--rules', '-'],
  ]) {
    const wide = rhm(args, Buffer.from(`\ufeff${grammar}`, 'utf16le'));
    assert.is(wide.status, 2);
    assert.match(wide.stderr, /standard input: the text is UTF-16; save it as UTF-8/);
    const empty = rhm(args);
    assert.is(empty.status, 2);
    assert.match(empty.stderr, /standard input: not JSON/);
  }
});

test('a writer that takes its time is waited for', () => {
  const file = join(scratch, 'tokens.txt');
  const sentence = '0 1 2 3\n';
  writeFileSync(file, sentence.repeat(2));
  const args = ['infer', '-v', '6', '-m', '2', '-L', '2', '--noise', '0.5', '--json', '--tokens'];
  const wanted = rhm([...args, file]);
  const slow = "setTimeout(() => console.log('0 1 2 3'), 1500); setTimeout(() => console.log('0 1 2 3'), 3000)";
  const shell = '"$NODE" -e "$SLOW" | "$NODE" "$@"';
  const env = { ...process.env, NODE: process.execPath, SLOW: slow };
  const found = spawnSync('sh', ['-c', shell, 'sh', cli, ...args, '-'], { env, encoding: 'utf8', timeout: 60_000 });
  assert.is(found.stderr, '');
  assert.is(found.stdout, wanted.stdout);
  assert.is(JSON.parse(found.stdout).sentences.length, 2);
});

test.run();
