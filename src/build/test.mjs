/** `npm test [-- FILTER...]`: bundles test/**.test.ts and runs each file in a process of its own. */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { buildWasm, bundleOptions, root } from './build.mjs';

await buildWasm();
const filters = process.argv.slice(2).filter((a) => !a.startsWith('-'));
const files = readdirSync(join(root, 'test'), { recursive: true }).filter(
  (f) => f.endsWith('.test.ts') && (!filters.length || filters.some((x) => f.includes(x))),
);
const outdir = join(root, 'build/test');
rmSync(outdir, { recursive: true, force: true });
await esbuild.build({
  ...bundleOptions,
  entryPoints: files.map((f) => join(root, 'test', f)),
  outbase: join(root, 'test'),
  outdir,
  platform: 'node',
  packages: 'external',
});
let failed = 0,
  passed = 0,
  skipped = 0;
for (const file of files) {
  const run = spawnSync(process.execPath, ['--enable-source-maps', join(outdir, file.replace(/\.ts$/, '.js'))], {
    cwd: root,
    encoding: 'utf8',
  });
  const total = Number(/Total:\s+(\d+)/.exec(run.stdout)?.[1] ?? 0),
    ok = Number(/Passed:\s+(\d+)/.exec(run.stdout)?.[1] ?? 0),
    skip = Number(/Skipped:\s+(\d+)/.exec(run.stdout)?.[1] ?? 0);
  const bad = run.status !== 0 || total === 0 || ok + skip !== total;
  passed += ok;
  skipped += skip;
  failed += total - ok - skip || (bad ? 1 : 0);
  console.log(`${bad ? 'FAIL' : 'ok  '} ${file} ${ok}/${total}`);
  if (bad) console.log(run.stdout + run.stderr);
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed || !passed ? 1 : 0);
