/** `npm run build`: assembly/ to WebAssembly, src/ to the bundles in dist/, declarations beside them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Options every bundle shares. Shaders and WASM are inlined so that one import works without copying files. */
export const bundleOptions = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  sourcemap: 'linked',
  loader: { '.wgsl': 'text', '.wasm': 'binary' },
  logLevel: 'warning',
};

/** Compiles assembly/ when a source is newer than the modules. */
export async function buildWasm() {
  const outputs = ['plain', 'shared'].map((name) => join(root, 'build/wasm', `${name}.wasm`));
  const sources = (await readdir(join(root, 'assembly'), { recursive: true })).map((f) => join(root, 'assembly', f));
  const newest = Math.max(...[...sources, join(root, 'asconfig.json')].map((f) => statSync(f).mtimeMs));
  const oldest = Math.min(...outputs.map((f) => statSync(f, { throwIfNoEntry: false })?.mtimeMs ?? 0));
  if (oldest > newest) return;
  mkdirSync(join(root, 'build/wasm'), { recursive: true });
  const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
  for (const target of ['plain', 'shared'])
    execFileSync(process.execPath, [asc, '--config', 'asconfig.json', '--target', target], {
      cwd: root,
      stdio: 'inherit',
    });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWasm();
