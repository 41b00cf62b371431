/**
 * Homes and stores without write permission, and processes with a small address space: either it works, or one sentence names the
 * remedy.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm } from '../support/run.js';

const test = suite('what a process may not do');
let scratch = '';
const at = (...names: string[]) => join(scratch, ...names);
const wasm = ['--executor', 'wasm', '--threads', '1'];
const settings = [
  '--set',
  'model=hcnn',
  'model.width=4',
  'grammar.v=4',
  'grammar.m=2',
  'grammar.L=2',
  'budget.steps=8',
];
const base = {
  model: { kind: 'hcnn', width: 4 },
  grammar: { v: 4, m: 2, L: 2 },
  budget: { steps: 8 },
  evaluation: { size: 8 },
};

test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-limits-'));
  writeFileSync(at('grid.json'), JSON.stringify({ base, seeds: 2 }));
  writeFileSync(at('more.json'), JSON.stringify({ base, seeds: 3 }));
  const ran = await rhm(['sweep', 'run', at('grid.json'), '--out', at('store'), ...wasm]);
  assert.is(ran.code, 0, ran.stderr);
  for (const name of ['home', 'free']) mkdirSync(at(name));
  for (const name of ['store', 'home']) setModes(at(name), 0o555, 0o444);
  for (const name of ['', 'free']) chmodSync(at(name), 0o777);
});
test.after(() => {
  for (const name of ['store', 'home']) setModes(at(name), 0o755, 0o644);
  rmSync(scratch, { recursive: true, force: true });
});

function setModes(folder: string, folders: number, files: number): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) setModes(join(folder, entry.name), folders, files);
    else chmodSync(join(folder, entry.name), files);
  chmodSync(folder, folders);
}

/** As a user to whom file modes apply: root becomes nobody. */
function asUser(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const ran = spawnSync(process.execPath, [resolve('dist/cli.js'), ...args], {
    ...nobody,
    encoding: 'utf8',
    cwd: at('free'),
    env: { ...process.env, RHM_TEST_RESULT: undefined, HOME: at('home'), XDG_CACHE_HOME: '', RHM_CACHE: '', ...env },
  });
  const { status, stdout, stderr } = ran;
  const told = `${args.join(' ')}: ${status} ${ran.error ?? ''} ${stdout.slice(-2000)}${stderr}`;
  assert.not.match(stdout + stderr, /not expected|^ {4}at |--debug/m, told);
  return { status, stdout, stderr, told };
}

test('a home that may not be written to: training, sweeps and rules work', () => {
  assert.throws(() => {
    const { status } = spawnSync('touch', [at('home', 'x')], process.getuid?.() === 0 ? { uid: 65534 } : {});
    if (status !== 0) throw new Error('refused');
  }, /refused/);
  for (const args of [
    ['train', ...settings, ...wasm, '--out', at('free', 'run')],
    ['sweep', 'run', at('grid.json'), '--out', at('free', 'sweep'), ...wasm],
    ['rules', '-v', '4', '-m', '2', '-L', '2'],
    ['export', at('free', 'run'), '-o', at('free', 'weights.safetensors')],
  ]) {
    const { status, told } = asUser(args);
    assert.is(status, 0, told);
  }
});

test('a home that may not be written to: what wants the GPU driver of a package works, or says where the cache may lie', () => {
  const { status, stderr, told } = asUser(['train', ...settings, '--executor', 'webgpu', '--out', at('free', 'gpu')]);
  if (status !== 0) {
    assert.is(status, 1, told);
    assert.match(stderr, /RHM_CACHE|XDG_CACHE_HOME/, told);
  }
  const other = asUser(['train', ...settings, '--executor', 'webgpu', '--out', at('free', 'gpu2')], {
    RHM_CACHE: at('free', 'cache'),
  });
  assert.is(other.status, 0, other.told);
});

test('a store that may only be read: status, analyze and export do, what would write says so', () => {
  for (const [args, words] of [
    [['sweep', 'status', at('store')], /2 of 2|2 done|complete/],
    [['sweep', 'status', at('store'), '--check'], /./],
    [['sweep', 'status', at('grid.json'), '--out', at('store')], /./],
    [['analyze', at('store', 'runs'), '--out', at('free', 'report')], /./],
    [['sweep', 'export', at('store'), '--to', at('free', 'tables')], /./],
    [['sweep', 'plan', at('more.json'), '--out', at('store'), '--no-calibrate'], /3 runs/],
    [['sweep', 'run', at('grid.json'), '--out', at('store'), ...wasm], /2 of 2 runs are complete/],
  ] as const) {
    const { status, stdout, told } = asUser(args);
    assert.is(status, 0, told);
    assert.match(stdout, words, told);
  }
  const [run] = readdirSync(at('store', 'runs'));
  for (const args of [
    ['train', ...settings, ...wasm, '--out', at('store', 'new')],
    ['train', at('store', 'runs', run, 'experiment.json'), ...wasm, '--out', at('store', 'runs', run), '--resume'],
    ['sweep', 'run', at('more.json'), '--out', at('store'), ...wasm],
  ]) {
    const { status, stderr, told } = asUser(args);
    assert.is(status, 1, told);
    assert.match(stderr, /FileError: .*EACCES; .*(you may not write|permission|choose another)/, told);
  }
});

for (const [GB, works] of [
  [16, true],
  [13, undefined],
  [8, false],
  [4, false],
] as const)
  (process.platform === 'linux' ? test : test.skip)(`an address space of ${GB} GB (ulimit -v)`, () => {
    const args = ['train', ...settings, ...wasm, '--out', at(`space-${GB}`)];
    const limited = (env: NodeJS.ProcessEnv = {}) =>
      spawnSync(
        'bash',
        ['-c', `ulimit -v ${GB * 1e6}; exec "$0" "$@"`, process.execPath, resolve('dist/cli.js'), ...args],
        { encoding: 'utf8', env: { ...process.env, RHM_TEST_RESULT: undefined, ...env } },
      );
    const { status, stderr } = limited();
    if (works) assert.is(status, 0, stderr);
    if (works === false) assert.is(status, 1, stderr);
    if (status === 0) return;
    assert.match(stderr, /WasmError: .*ulimit -v unlimited.*NODE_OPTIONS=--disable-wasm-trap-handler/);
    assert.not.match(stderr, /not expected|^ {4}at /m);
    assert.equal(
      readdirSync(at(`space-${GB}`)).filter((name) => /lock|tmp/.test(name)),
      [],
    );
    // The remedy is one.
    rmSync(at(`space-${GB}`), { recursive: true });
    const again = limited({ NODE_OPTIONS: '--disable-wasm-trap-handler' });
    assert.is(again.status, 0, again.stderr);
  });

test.run();
