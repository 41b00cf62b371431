/** `npm run build`: assembly/ to WebAssembly, src/ to the bundles in dist/, declarations beside them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { finishDeclarations } from './declarations.mjs';
import { writeFonts } from './fonts.mjs';
import { inlinedFiles, makePatch } from './inlined.mjs';
import { thirdPartyLicences } from './licences.mjs';
import { ensureInstalled, root, say } from './setup.mjs';
import { absoluteAddresses } from './siteAddress.mjs';

export { root };

/** The inputs of the bundles. */
const sources = ['src', 'shaders', 'assembly', 'package.json', 'asconfig.json'];

/** The commit of the sources, followed by `-changed` if they differ from it; undefined outside this package's own repository. */
function sourceCommit() {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    if (realpathSync(git('rev-parse', '--show-toplevel')) !== realpathSync(root)) return undefined;
    const changed = git('status', '--porcelain', '--', ...sources) !== '';
    return `${git('rev-list', '-1', 'HEAD', '--', ...sources)}${changed ? '-changed' : ''}`;
  } catch {
    return undefined;
  }
}

const commit = sourceCommit();
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** *Bundled CommonJS packages call require() for modules of Node. ES modules have no require(), so an import provides it. */
const requiredBuiltins = {
  name: 'required builtins',
  setup(build) {
    const namespace = 'required';
    build.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'require-call' ? { path, namespace } : undefined,
    );
    build.onLoad({ filter: /^/, namespace }, ({ path }) => ({
      contents: `import builtin from ${JSON.stringify(path)};\nmodule.exports = builtin;`,
    }));
  },
};

/** Options shared by all bundles. Shaders and WASM are inlined so that one import works without copying files. */
export const bundleOptions = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  sourcemap: 'linked',
  metafile: true,
  legalComments: 'none', // licences are in a file beside the bundles
  plugins: [inlinedFiles],
  define: {
    RHM_VERSION: JSON.stringify(version),
    RHM_COMMIT: commit === undefined ? 'undefined' : JSON.stringify(commit),
  },
  logLevel: 'warning',
};

/** *For the package: a tenth less to download. Lines stay short enough for stack traces to point into them, and names are kept. */
const compact = { minifyWhitespace: true, minifySyntax: true, lineLimit: 160 };

/** Packages with native parts, or of use to few people: not bundled, but found at run time if they are installed. */
export const nativePackages = [
  'webgpu',
  '@sparticuz/chromium',
  'playwright-core',
  '@resvg/resvg-js',
  'bullmq',
  'ioredis',
];

/** Beside the bundles, and in the page's folder, which may be copied alone. */
const LICENCES = 'THIRD_PARTY_LICENCES.txt';

/**
 * The modules of dist/: name to entry. Every entry is one public export or one worker script; code that several need is in common chunks.
 */
const entries = {
  browser: {
    index: 'src/entry/index.ts',
    web: 'src/entry/web.ts',
    'chunks/eager': 'src/worker/eager.ts',
    engine: 'src/entry/engine.ts',
    'worker.web': 'src/worker/web.ts',
    'elements.module': 'src/entry/elements.ts',
    'worker.page': 'src/web/worker.ts',
  },
  node: {
    node: 'src/entry/node.ts',
    deno: 'src/entry/deno.ts',
    cli: 'src/cli/main.ts',
    'worker.node': 'src/worker/node.ts',
    'worker.deno': 'src/worker/deno.ts',
  },
};

const layoutFiles = ['layouts', 'dispatch', 'words'].map((name) => `build/assembly/${name}.ts`);

/**
 * Writes build/assembly/: the information on the operations of src/kernels/ that assembly/ needs. A file that would not change is not
 * touched.
 */
async function writeLayouts() {
  const folder = join(root, 'build/assembly');
  const stamp = join(folder, 'stamp');
  if (
    (statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0) >
    newestIn(['src/core', 'src/kernels', 'src/wasm', 'src/build'])
  )
    return;
  const { assemblyFiles } = await importSource('src/kernels/tools/assembly.ts');
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(assemblyFiles())) {
    const file = join(folder, name);
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
    writeFileSync(`${file}.${process.pid}`, text);
    renameSync(`${file}.${process.pid}`, file);
  }
  writeFileSync(stamp, '');
}

/** The exports of a module of src/, for use by the build. */
async function importSource(file) {
  const esbuild = await import('esbuild');
  const script = join(root, 'build', `tool-${process.pid}.mjs`);
  const options = { ...bundleOptions, sourcemap: false, platform: 'node' };
  await esbuild.build({ ...options, entryPoints: [file], outfile: script });
  try {
    return await import(`${pathToFileURL(script).href}?${file}`);
  } finally {
    rmSync(script);
  }
}

/** Modules of build/wasm/, targets of asconfig.json, and their sources. */
export const wasmModules = { module: 'assembly/index.ts', relaxed: 'assembly/relaxed.ts' };

/**
 * Compiles assembly/ if a source is newer than the modules, and writes the difference of the relaxed module, of which only that is
 * inlined.
 */
export async function buildWasm() {
  await writeLayouts();
  const file = (name) => join(root, 'build/wasm', name);
  const outputs = [...Object.keys(wasmModules).map((name) => file(`${name}.wasm`)), file('relaxed.patch')];
  const newest = newestIn(['assembly', 'asconfig.json', 'src/build/inlined.mjs', ...layoutFiles]);
  const oldest = Math.min(...outputs.map((f) => statSync(f, { throwIfNoEntry: false })?.mtimeMs ?? 0));
  if (oldest > newest) return;
  mkdirSync(join(root, 'build/wasm'), { recursive: true });
  execFileSync(process.execPath, [join(root, 'src/build/wasm.mjs')], { cwd: root, stdio: 'inherit' });
  const [plain, relaxed] = ['module.wasm', 'relaxed.wasm'].map((name) => readFileSync(file(name)));
  writeFileSync(file('relaxed.patch'), makePatch(plain, relaxed));
}

/** Bundles src/ into dist/ if a source is newer. The folder is replaced at the end, so readers see the old or the new one. */
export async function buildBundles() {
  await buildWasm();
  const stamp = join(root, 'dist/cli.js');
  const builtFrom = join(root, 'build/commit');
  const isNewer = (statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0) > newestIn(sources);
  if (isNewer && existsSync(builtFrom) && readFileSync(builtFrom, 'utf8') === String(commit)) return false;
  say('building dist/');
  const esbuild = await import('esbuild');
  const outdir = join(root, `build/dist-${process.pid}`);
  // One build for all places: code shared by a browser and Node is in the package once, and a class is the same through every entry.
  const { metafile } = await esbuild.build({
    ...bundleOptions,
    ...compact,
    platform: 'browser', // prefers ES modules in packages that have both forms
    external: [...nativePackages, 'node:*'],
    entryPoints: { ...entries.browser, ...entries.node },
    outdir,
    alias: {
      'cssomnom/parse': join(root, 'src/build/noStyleSheets.mjs'),
      htmlparser2: join(root, 'src/build/noHtmlParser.mjs'),
      'ml-matrix': join(root, 'node_modules/ml-matrix/src/index.js'), // as ES modules, few of which are used
    },
    plugins: [...bundleOptions.plugins, requiredBuiltins],
    splitting: true,
    chunkNames: 'chunks/[hash]',
  });
  refuseOutsideImports(metafile, outdir);
  markForBundlers(Object.keys(metafile.outputs));
  const built = [metafile];
  built.push(...(await buildPage(outdir)));
  const licences = thirdPartyLicences(root, built);
  for (const folder of [outdir, join(outdir, 'page')]) writeFileSync(join(folder, LICENCES), licences);
  await writeFonts(root, outdir);
  copyFileSync(join(root, 'src/python/rhm.py'), join(outdir, 'rhm.py'));
  const cli = join(outdir, 'cli.js');
  writeFileSync(cli, `#!/usr/bin/env node\n${readFileSync(cli, 'utf8')}`, { mode: 0o755 });
  const types = join(root, 'dist/types');
  const reference = join(root, 'dist/page/reference');
  if (existsSync(types)) renameSync(types, join(outdir, 'types'));
  if (existsSync(reference)) renameSync(reference, join(outdir, 'page/reference'));
  for (let attempt = 0; ; attempt++) {
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    try {
      renameSync(outdir, join(root, 'dist'));
      writeFileSync(builtFrom, String(commit));
      return true;
    } catch (error) {
      if (attempt === 5) throw error; // another build put its folder there in the meantime
    }
  }
}

/** @throws Error if code for a browser imports a module of Node or a package, neither of which it could find */
function refuseOutsideImports({ outputs }, outdir) {
  const nameOf = (entry) => relative(root, join(outdir, `${entry}.js`)).replaceAll('\\', '/');
  const loaded = new Set(Object.keys(entries.browser).map(nameOf));
  for (const file of loaded)
    for (const { path, external } of outputs[file].imports) {
      if (external) throw new Error(`${basename(file)}: a browser loads it, and it imports ${path}`);
      loaded.add(path);
    }
}

/**
 * Tells bundlers to ignore imports of an address known only at run time: esbuild drops such comments with the white space. Also keeps
 * `import.meta.url` on one line, by which bundlers find the scripts of workers: esbuild may break a full line within it.
 */
function markForBundlers(files) {
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    const path = join(root, file);
    const text = readFileSync(path, 'utf8');
    const marked = text
      .replace(/\bimport\(\s*([\w$]+)\s*\)/g, 'import(/* @vite-ignore */ /* webpackIgnore: true */ $1)')
      .replace(/\bimport(\s*)\.(\s*)meta(\s*)\.(\s*)url\b/g, '$1$2$3$4import.meta.url');
    if (marked !== text) writeFileSync(path, marked);
  }
}

/**
 * dist/page/, a folder for any web server, with elements.js, the custom elements in one module script; dist/watch/, the page of rhm
 * watch.
 */
/** @returns the metafiles of all three builds */
async function buildPage(outdir) {
  const esbuild = await import('esbuild');
  const source = join(root, 'src/web');
  const options = { ...bundleOptions, platform: 'browser', minify: true };
  const page = await esbuild.build({
    ...options,
    entryPoints: { main: 'src/web/main.ts', worker: 'src/web/worker.ts' },
    outdir: join(outdir, 'page'),
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  });
  const elements = await esbuild.build({
    ...options,
    entryPoints: { elements: 'src/web/elements.ts' },
    outdir: join(outdir, 'page'),
  });
  const watch = await esbuild.build({
    ...options,
    entryPoints: { main: 'src/web/watch/main.ts' },
    outdir: join(outdir, 'watch'),
  });
  for (const file of ['index.html', 'watch.css'])
    copyFileSync(join(source, 'watch', file), join(outdir, 'watch', file));
  for (const file of ['page.css', 'story/story.css', 'preview.png'])
    copyFileSync(join(source, file), join(outdir, 'page', basename(file)));
  const index = absoluteAddresses(readFileSync(join(source, 'index.html'), 'utf8'), process.env.RHM_SITE);
  writeFileSync(join(outdir, 'page/index.html'), index);
  await buildOffline(esbuild, options, join(outdir, 'page'), Object.keys(page.metafile.outputs));
  return [page.metafile, elements.metafile, watch.metafile];
}

/** offline.js, the page's service worker, which contains the names and digests of the files that the page loads. */
async function buildOffline(esbuild, options, folder, outputs) {
  const bundles = outputs.map((file) => relative(folder, resolve(root, file)).replaceAll('\\', '/'));
  const files = ['', 'index.html', 'page.css', 'story.css', ...bundles.filter((file) => !file.endsWith('.map')).sort()];
  const digest = createHash('sha256');
  for (const file of files) if (file) digest.update(`${file}\n`).update(readFileSync(join(folder, file)));
  await esbuild.build({
    ...options,
    entryPoints: { offline: 'src/web/offline.ts' },
    outdir: folder,
    define: { PAGE_FILES: JSON.stringify(files), PAGE_DIGEST: JSON.stringify(digest.digest('hex').slice(0, 16)) },
  });
}

/**
 * Declarations of src/ in dist/types/, for npm pack. They use the WebGPU types of TypeScript's DOM library (6 and newer); a reference to
 * @webgpu/types would conflict with those.
 */
export async function buildTypes() {
  const types = join(root, 'dist/types');
  const written = statSync(join(types, 'entry/index.d.ts'), { throwIfNoEntry: false });
  if ((written?.mtimeMs ?? 0) > newestIn(['src', 'package.json', 'tsconfig.json'])) return;
  say('writing declarations');
  const folder = join(root, `build/types-${process.pid}`);
  const tsc = spawnSync(
    join(root, 'node_modules/.bin/tsc'),
    ['-p', 'src/build/tsconfig.types.json', '--outDir', folder],
    { cwd: root, stdio: 'inherit' },
  );
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
  const { declarationFiles } = await importSource('src/sweep/tools/declarations.ts');
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const roots = Object.values(exports).flatMap((entry) =>
    entry.types ? [entry.types.replace('./dist/types/', '')] : [],
  );
  finishDeclarations(folder, declarationFiles(), roots);
  rmSync(types, { recursive: true, force: true });
  renameSync(folder, types);
  say('writing the reference');
  const { writeReference } = await import('./reference/write.mjs');
  const reference = join(root, 'dist/page/reference');
  const fresh = join(root, `build/reference-${process.pid}`);
  writeReference(root, fresh);
  rmSync(reference, { recursive: true, force: true });
  renameSync(fresh, reference);
}

function newestIn(paths) {
  let newest = 0;
  for (const path of paths) {
    const full = join(root, path);
    const stat = statSync(full, { throwIfNoEntry: false });
    if (!stat) continue;
    newest = Math.max(newest, stat.mtimeMs);
    if (stat.isDirectory())
      for (const entry of readdirSync(full, { recursive: true }))
        if (!entry.includes('node_modules'))
          newest = Math.max(newest, statSync(join(full, entry), { throwIfNoEntry: false })?.mtimeMs ?? 0);
  }
  return newest;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureInstalled();
  if (!(await buildBundles())) say('dist/ is up to date');
  await buildTypes();
}
