import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeAtomically } from '../../src/platform/atomicFile.js';
import { run } from '../support/run.js';

const test = suite('files that a user names');
const root = realpathSync(mkdtempSync(join(tmpdir(), 'rhm-outputs-')));
const at = (name: string) => join(root, name);
test.after(() => rmSync(root, { recursive: true, force: true }));

test('links are followed, to files that are there and to those that are not yet', async () => {
  writeFileSync(at('target'), 'old');
  symlinkSync('target', at('link'));
  symlinkSync(at('link'), at('link2'));
  symlinkSync('later', at('dangling'));
  await writeAtomically(at('link2'), 'new');
  await writeAtomically(at('dangling'), 'made');
  assert.is(readFileSync(at('target'), 'utf8'), 'new');
  assert.is(readFileSync(at('later'), 'utf8'), 'made');
  for (const name of ['link', 'link2', 'dangling']) assert.ok(lstatSync(at(name)).isSymbolicLink(), name);
  symlinkSync('b', at('a'));
  symlinkSync('a', at('b'));
  await writeAtomically(at('a'), 'x').then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /links form a circle|ELOOP/),
  );
});

test('modes stay: 0600 remains private, also while it is written', async () => {
  for (const mode of [0o600, 0o640, 0o755]) {
    writeFileSync(at('private'), 'old');
    chmodSync(at('private'), mode);
    await writeAtomically(at('private'), 'new');
    assert.is(statSync(at('private')).mode & 0o777, mode);
    assert.is(readFileSync(at('private'), 'utf8'), 'new');
  }
});

test('devices and pipes are written through and stay what they are', async () => {
  await writeAtomically('/dev/null', 'gone');
  assert.ok(statSync('/dev/null').isCharacterDevice());
  execFileSync('mkfifo', [at('pipe')]);
  const reader = run('cat', [at('pipe')]);
  const text = 'line\n'.repeat(100_000);
  await writeAtomically(at('pipe'), text);
  assert.is((await reader).stdout, text);
  assert.ok(lstatSync(at('pipe')).isFIFO());
});

test('the command line: process substitution, /dev/stdout into a file, an empty name', async () => {
  const cli = resolve('dist/cli.js');
  const shell = (line: string) => run('bash', ['-c', line], { cwd: root });
  const rules = `"${process.execPath}" "${cli}" rules -v 4 -m 2 -L 2 --seed 1`;
  const plain = (await shell(rules)).stdout;
  assert.is((await shell(`${rules} -o >(cat > substituted); sleep 0.5`)).code, 0);
  assert.is(readFileSync(at('substituted'), 'utf8'), plain);
  assert.is((await shell(`${rules} -o /dev/stdout > redirected`)).code, 0);
  assert.is(readFileSync(at('redirected'), 'utf8'), plain);
  const empty = await shell(`${rules} -o ""`);
  assert.is(empty.code, 2, empty.stderr);
  assert.match(empty.stderr, /InputError: output: an empty name/);
});

test('nothing is left beside the files', () => {
  assert.equal(
    readdirSync(root).filter((name) => name.includes('partial')),
    [],
  );
});

test('where file handles of node:fs/promises know less, as under Yarn’s Plug’n’Play, files are written too', async () => {
  const preload = `import { open } from 'node:fs/promises';
    const handle = await open(process.execPath);
    for (const name of ['sync', 'datasync', 'appendFile', 'chmod', 'chown'])
      Object.getPrototypeOf(handle)[name] = () => { throw new Error('Method not implemented.'); };
    await handle.close();`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(preload)}`;
  const args = ['dist/cli.js', 'rules', '-v', '4', '-m', '2', '-L', '2', '-o', at('pnp.json')];
  for (let time = 0; time < 2; time++) {
    const { code, stderr } = await run(process.execPath, args, { env: { NODE_OPTIONS } });
    assert.is(code, 0, stderr);
    assert.is(JSON.parse(readFileSync(at('pnp.json'), 'utf8')).v, 4);
  }
});

test.run();
