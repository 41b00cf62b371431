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

test('what is no UTF-8 or no JSON is said of standard input', () => {
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

test.run();
