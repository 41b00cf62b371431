/**
 * `npm test [-- FILTER...] [--quick] [--dir FOLDER] [--timeout SECONDS] [--jobs N]`: bundles every *.test.ts once and runs each file in a
 * separate process. --quick leaves out *.slow.test.ts. A file without tests cannot pass: see verdict().
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureInstalled, root, say } from './setup.mjs';

const { values: flags, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    dir: { type: 'string', default: 'test' },
    timeout: { type: 'string' },
    jobs: { type: 'string', default: '2' },
  },
});

ensureInstalled();
const { buildBundles, bundleOptions } = await import('./build.mjs');
await buildBundles();

const onWindows = process.platform === 'win32'; // on systems where processes have no groups
const dir = join(root, flags.dir);
const files = readdirSync(dir, { recursive: true })
  .filter((f) => f.endsWith('.test.ts') && !/(^|[\\/])fixtures[\\/]/.test(f))
  .filter((f) => !filters.length || filters.some((x) => f.includes(x)))
  .filter((f) => !(flags.quick && f.endsWith('.slow.test.ts')))
  .sort((a, b) => Number(isSlow(b)) - Number(isSlow(a)) || a.localeCompare(b));
const work = join(root, 'build', `test-${process.pid}`);
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
const running = new Set();
process.on('exit', () => {
  for (const child of running) killGroup(child);
});

await bundle();
const totals = { passed: 0, failed: 0, skipped: 0 };
const queue = [...files];
let done = 0;
await Promise.all(Array.from({ length: Math.max(1, Number(flags.jobs) || 1) }, worker));
if (!files.length) say(`no test file matches ${filters.join(' ') || flags.dir}`);
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed || !totals.passed ? 1 : 0);

function isSlow(file) {
  return file.endsWith('.slow.test.ts');
}

async function bundle() {
  mkdirSync(work, { recursive: true });
  if (!files.length) return;
  const esbuild = await import('esbuild');
  const counting = join(root, 'src/build/uvu.mjs');
  await esbuild.build({
    ...bundleOptions,
    sourcemap: 'inline',
    entryPoints: files.map((f) => join(dir, f)),
    outbase: dir,
    outdir: work,
    platform: 'node',
    packages: 'external',
    splitting: true,
    plugins: [
      ...bundleOptions.plugins,
      {
        name: 'counting-uvu',
        setup: (build) =>
          build.onResolve({ filter: /^uvu$/ }, ({ importer }) =>
            importer === counting ? { path: 'uvu', external: true } : { path: counting },
          ),
      },
    ],
  });
}

async function worker() {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const run = await runFile(file);
    const { passed, failed, skipped, problems } = verdict(run);
    totals.passed += passed;
    totals.skipped += skipped;
    totals.failed += failed;
    const shown = `${relative(root, join(dir, file))} ${passed}/${passed + failed}`;
    done++;
    console.log(
      `[${done}/${files.length}] ${failed ? 'FAIL' : 'ok  '} ${shown} ${(run.elapsedMs / 1000).toFixed(1)} s`,
    );
    if (failed) console.log(`${run.output}\n${problems.map((p) => `${file}: ${p}`).join('\n')}`);
  }
}

function runFile(file) {
  const result = join(work, `${file.replace(/[\\/]/g, '_')}.json`);
  const limitSeconds = Number(flags.timeout) || (isSlow(file) ? 1800 : 600);
  const started = Date.now();
  const child = spawn(process.execPath, ['--enable-source-maps', join(work, file.replace(/\.ts$/, '.js'))], {
    cwd: root,
    detached: !onWindows, // a separate group, so that processes left running by a test end with it
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RHM_TEST_RESULT: result },
  });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve) => {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, limitSeconds * 1000);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      killGroup(child);
      let suites;
      try {
        suites = JSON.parse(readFileSync(result, 'utf8'));
      } catch {}
      const finish = () =>
        resolve({ code, signal, timedOut, limitSeconds, output, suites, elapsedMs: Date.now() - started });
      child.on('close', finish);
      setTimeout(finish, 2000).unref(); // a remaining child of another group may keep the pipes open
    });
  });
}

function killGroup(child) {
  if (onWindows) {
    spawnSync('taskkill', ['/pid', String(child.pid), '/t', '/f']);
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {}
}

/** The verdict on the run of one file: each doubt is a failure, with its reason. */
function verdict({ code, signal, timedOut, limitSeconds, suites }) {
  const problems = [];
  const sum = (key) => (suites ?? []).reduce((total, s) => total + s[key], 0);
  const passed = sum('passed');
  const skipped = sum('skipped');
  if (timedOut) problems.push(`did not exit within ${limitSeconds} s`);
  else if (signal) problems.push(`was ended by ${signal}`);
  if (!suites) problems.push('left no account of its tests: it crashed, or does not use uvu');
  else if (!sum('registered') && !skipped) problems.push('holds no test');
  for (const s of suites ?? []) {
    const where = `suite "${s.name}"`;
    if (s.runs !== 1) problems.push(`${where}: .run() was called ${s.runs} times, once is needed`);
    if (!s.registered && !s.skipped) problems.push(`${where} holds no test`);
    if (s.hookErrors) problems.push(`${where}: a hook threw`);
    if (s.only && (process.env.CI || !filters.length)) problems.push(`${where}: .only leaves out the other tests`);
    const lost = s.registered - s.passed - s.failed;
    if (lost && !s.only) problems.push(`${where}: ${lost} of ${s.registered} tests did not finish`);
  }
  const failed = sum('failed');
  if (!failed && !problems.length && code !== 0) problems.push(`exited with ${code} after its tests`);
  return { passed, skipped, failed: failed || (problems.length ? 1 : 0), problems };
}
