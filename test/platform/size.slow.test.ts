/** The cost of the package: to load, to download, to install. Bytes are the same on every machine. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Packed, packAndInstall } from '../support/packed.js';
import { run } from '../support/run.js';

const test = suite('sizes of the packed package');
let packed: Packed;
test.before(async () => {
  packed = await packAndInstall('--omit=optional', '--omit=peer');
});
test.after(() => packed?.remove());

const KB = 1000;
const MB = 1000 * KB;

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

test('the tarball, and an installation without optional packages', () => {
  const tarball = statSync(packed.tarball).size;
  const modules = join(packed.folder, 'node_modules');
  const installed = bytesIn(modules);
  console.log(`tarball ${(tarball / MB).toFixed(2)} MB, installed ${(installed / MB).toFixed(1)} MB`);
  assert.ok(tarball <= 2.4 * MB, `${tarball}`);
  assert.ok(installed <= 25 * MB, `${installed}`);
  assert.equal(
    readdirSync(modules).filter((name) => !name.startsWith('.')),
    ['rhm-lab'],
    'it depends on nothing',
  );
});

interface Cost {
  gzip: number; // size of what is loaded at once
  brotli: number;
  all: number; // gzip, including what is loaded on demand
}

/** The cost of a program made by a bundler. */
async function costOf(contents: string, bundler: 'vite' | 'esbuild'): Promise<Cost> {
  const folder = mkdtempSync(join(packed.folder, 'size-'));
  writeFileSync(join(folder, 'main.js'), contents);
  const out = join(folder, 'out');
  // In a separate process: the bundlers read files around the current one.
  const scripts = {
    vite: `import { build } from ${JSON.stringify(resolve('node_modules/vite/dist/node/index.js'))};
const { output } = await build({ root: ${JSON.stringify(folder)}, configFile: false, logLevel: 'silent',
  build: { outDir: ${JSON.stringify(out)}, target: 'es2022', modulePreload: false, rollupOptions: { input: ${JSON.stringify(join(folder, 'main.js'))} } } });
console.log(JSON.stringify(output.filter(({ type }) => type === 'chunk').map(({ fileName, isEntry, imports }) => ({ fileName, isEntry, imports }))));`,
    esbuild: `import { build } from ${JSON.stringify(resolve('node_modules/esbuild/lib/main.js'))};
await build({ entryPoints: [${JSON.stringify(join(folder, 'main.js'))}], bundle: true, minify: true, format: 'esm', outfile: ${JSON.stringify(join(out, 'main.js'))} });
console.log(JSON.stringify([{ fileName: 'main.js', isEntry: true, imports: [] }]));`,
  };
  writeFileSync(join(folder, 'build.mjs'), scripts[bundler]);
  const ran = await run(process.execPath, [join(folder, 'build.mjs')], { cwd: folder });
  assert.is(ran.code, 0, ran.stderr);
  const chunks: { fileName: string; isEntry: boolean; imports: string[] }[] = JSON.parse(
    ran.stdout.trim().split('\n').at(-1)!,
  );
  const first = new Set(chunks.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName));
  for (const name of first) for (const next of chunks.find((c) => c.fileName === name)!.imports) first.add(next);
  const cost = { gzip: 0, brotli: 0, all: 0 };
  for (const { fileName } of chunks) {
    const code = readFileSync(join(out, fileName));
    const gzip = gzipSync(code, { level: 9 }).length;
    cost.all += gzip;
    if (!first.has(fileName)) continue;
    cost.gzip += gzip;
    cost.brotli += brotliCompressSync(code).length;
  }
  rmSync(folder, { recursive: true });
  return cost;
}

const programs: [name: string, contents: string, most: Record<'vite' | 'esbuild', number>][] = [
  [
    'the laboratory',
    "import { lab, startWorker } from 'rhm-lab/web';\nglobalThis.own = [lab, startWorker];",
    { vite: 32 * KB, esbuild: 235 * KB }, // esbuild: all in one file
  ],
  [
    'one formula',
    "import { sampleComplexity } from 'rhm-lab';\nglobalThis.own = sampleComplexity;",
    { vite: 3 * KB, esbuild: 3 * KB },
  ],
  [
    'theory',
    "import { ensemblePlateaus, lossPlateaus, makeRules, rmsCovariances, sampleComplexities, scalingExponent } from 'rhm-lab';\n" +
      'globalThis.own = [ensemblePlateaus, lossPlateaus, makeRules, rmsCovariances, sampleComplexities, scalingExponent];',
    { vite: 8 * KB, esbuild: 8 * KB },
  ],
];
for (const [name, contents, most] of programs)
  test(`${name}, compressed`, async () => {
    for (const bundler of ['vite', 'esbuild'] as const) {
      const { gzip, brotli, all } = await costOf(contents, bundler);
      const kilobytes = [gzip, brotli, all].map((bytes) => (bytes / KB).toFixed(1));
      console.log(
        `${bundler}, ${name}: ${kilobytes[0]} KB gzip, ${kilobytes[1]} KB brotli at once, ${kilobytes[2]} KB gzip in all`,
      );
      assert.ok(gzip <= most[bundler], `${bundler}: ${gzip}`);
    }
  });

test.run();
