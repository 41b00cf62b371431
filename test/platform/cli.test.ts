import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WasmError } from '../../src/core/errors.js';
import { compileWasm } from '../../src/core/wasmModule.js';
import type { CheckedKernel, MatmulSpeed } from '../../src/platform/doctor.js';
import { failure } from '../support/gpu.js';
import { type Ran, rhm, run } from '../support/run.js';

const test = suite('command line');
let folder = '';
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'rhm-cli-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** One paragraph with its own class, no stack, nothing on standard output. */
function assertError({ code, stdout, stderr }: Ran, status: number, says: RegExp): void {
  const own = stderr.split('\n').filter((line) => line && !/^(Warning|MESA|error: XDG_RUNTIME_DIR)/.test(line));
  assert.is(code, status, stderr);
  assert.is(stdout, '');
  assert.match(own.at(-1) ?? '', says);
  assert.not.match(stderr, /^\s+at /m);
}

/** Opens a device with the built package, works, prints its name. */
const start = (env: NodeJS.ProcessEnv): Promise<Ran> =>
  run(
    process.execPath,
    [resolve('test/platform/fixtures/start.mjs'), pathToFileURL(resolve('dist/node.js')).href, 'release'],
    { env },
  );

test('an unknown command or option exits with 2 and names the nearest', async () => {
  assertError(await rhm(['doctr']), 2, /^error: unknown command 'doctr' \(Did you mean doctor\?\)/);
  assertError(await rhm(['doctor', '--jsn']), 2, /^error: unknown option '--jsn' \(Did you mean --json\?\)/);
  assertError(await rhm(['doctor', 'extra']), 2, /^error: too many arguments/);
  assertError(await rhm(['doctor', '--adapter']), 2, /argument missing/);
  assertError(await rhm(['doctor', '--adapter', ' ']), 2, /^InputError: adapter: an empty name/);
});

test('no command shows the help and exits with 2; help and version exit with 0', async () => {
  const none = await rhm([]);
  assert.is(none.code, 2);
  assert.match(none.stderr, /Usage: rhm/);
  const help = await rhm(['--help']);
  assert.is(help.code, 0);
  assert.match(help.stdout, /doctor/);
  assert.match((await rhm(['doctor', '--help'])).stdout, /--json/);
  assert.match((await rhm(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('no adapter, wrong adapter: exit 1 and what to install', async () => {
  const noDriver = { VK_DRIVER_FILES: join(folder, 'none.json'), RHM_CACHE: '/proc/none' };
  assertError(
    await rhm(['doctor', '--adapter', 'swiftshader'], { env: noDriver }),
    1,
    /^AdapterError: No WebGPU adapter was found.*RHM_CACHE.*install/,
  );
  assertError(await rhm(['doctor', '--adapter', 'voodoo2']), 1, /^AdapterError: .*adapter.*install/);
  const noGpu = { VK_DRIVER_FILES: join(folder, 'none.json') };
  assertError(await rhm(['doctor', '--adapter', 'gpu'], { env: noGpu }), 1, /^AdapterError: adapter gpu: .*install/);
});

test('doctor without any adapter examines WebAssembly, and says what a GPU needs once', async () => {
  const env = { VK_DRIVER_FILES: join(folder, 'none.json'), RHM_CACHE: '/proc/none' };
  const ran = await rhm(['doctor', '--json'], { env });
  assert.is(ran.code, 0, ran.stderr);
  const { adapter, noAdapter, cores, simd, kernels, matmuls, ok } = JSON.parse(ran.stdout);
  assert.is(adapter, null);
  assert.match(noAdapter, /^No WebGPU adapter was found/);
  assert.is(noAdapter.match(/npm install/g).length, 1);
  assert.ok(cores > 0 && /^(plain|relaxed)$/.test(simd) && ok);
  assert.ok(kernels.length > 30 && kernels.every((k: CheckedKernel) => k.ok && k.cases > 0 && k.worst <= 1));
  assert.ok(matmuls.length === 3 && matmuls.every((m: MatmulSpeed) => m.gflops > 0));
  assertError(await rhm(['doctor'], { env: { ...env, RHM_ADAPTER: 'swiftshader' } }), 1, /^AdapterError: /);
});

test('an installed driver that cannot be used is passed over, and said so', async () => {
  const manifest = join(folder, 'broken_icd.json');
  const library_path = join(folder, 'no-such-library.so');
  writeFileSync(
    manifest,
    JSON.stringify({ file_format_version: '1.0.0', ICD: { library_path, api_version: '1.0.0' } }),
  );
  const ran = await start({ VK_DRIVER_FILES: manifest });
  assert.is(ran.code, 0, ran.stderr);
  assert.is(ran.stdout, 'SwiftShader\n');
  assert.match(ran.stderr, /falling back to the SwiftShader software driver/);
});

test('WebAssembly that cannot be loaded is an error of its own', async () => {
  const grammar = ['sample', '-v', '4', '-m', '2', '-s', '2', '-L', '2', '--count', '1'];
  const ran = await run(process.execPath, ['--no-expose-wasm', resolve('dist/cli.js'), ...grammar]);
  assertError(ran, 1, /^WasmError: This runtime offers no WebAssembly; use /);
  const error = await failure(() => compileWasm(new Uint8Array([0, 97, 115, 109, 9, 9, 9, 9])));
  assert.instance(error, WasmError);
  assert.match(error.message, /could not be compiled \(.*\); a runtime with SIMD is needed/);
});

test('--debug and RHM_DEBUG=1 show the stack', async () => {
  const env = { VK_DRIVER_FILES: join(folder, 'none.json'), RHM_CACHE: '/proc/none' };
  assert.match(
    (await rhm(['doctor', '--adapter', 'swiftshader', '--debug'], { env })).stderr,
    /^\s+at .*\n[\s\S]*caused by:/m,
  );
  assert.match(
    (await rhm(['doctor', '--adapter', 'swiftshader'], { env: { ...env, RHM_DEBUG: '1' } })).stderr,
    /^\s+at /m,
  );
});

test('a reader that disconnects is not a failure', async () => {
  const child = spawn(process.execPath, [resolve('dist/cli.js'), '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const code = await new Promise((done) => child.on('close', done));
  assert.is(code, 0);
  assert.is(stderr, '');
});

test('eight processes unpack the driver into an empty cache at once; a damaged one is mended', async () => {
  const cache = join(folder, 'cache');
  const env = { RHM_CACHE: cache, RHM_ADAPTER: 'swiftshader' };
  for (const { code, stderr } of await Promise.all(Array.from({ length: 8 }, () => start(env))))
    assert.is(code, 0, stderr);
  const [unpacked, ...others] = readdirSync(cache);
  assert.match(unpacked, /^swiftshader-\d/);
  assert.equal(others, [], 'no temporary folder is left');
  rmSync(join(cache, unpacked, 'libvk_swiftshader.so'));
  const mended = await start(env);
  assert.is(mended.code, 0, mended.stderr);
});

test.run();
