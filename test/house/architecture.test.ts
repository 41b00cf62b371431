import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { optimisers } from '../../src/core/optimisers.js';
import { kernels } from '../../src/kernels/index.js';

/** A file imports from folders of lower layers and from its own. */
const layers: Readonly<Record<string, number>> = {
  core: 0,
  grammar: 1,
  theory: 1,
  plan: 1,
  reference: 1,
  gpu: 2,
  wasm: 2,
  kernels: 3,
  models: 4,
  training: 5,
  measures: 5,
  sweep: 6,
  analysis: 6,
  platform: 7,
  cli: 8,
  web: 8,
  worker: 8,
  entry: 9, // the package's exports: imports all other folders, imported by none
};

/** Pairs of one layer of which the first may import the second, each with its reason. */
const exceptions: Readonly<Record<string, string>> = {
  'reference -> plan': 'the float64 executor runs plans, whose types live there',
};

/** Enabled once src/wasm/ runs plans: from then on each operation also needs assembly/kernels/<op>.ts. */
const wasmExecutorExists = existsSync('src/wasm');

/** Operations whose float64 reference is in a file of another name. `xBackward` is always in the file of `x`. */
const sharedReferences: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(optimisers).map((kind) => [kind, 'optimisers']),
);

const test = suite('architecture');

test('a known layer for every folder of src/', () => {
  for (const folder of folders()) assert.ok(folder in layers, `src/${folder}/ has no layer`);
  for (const file of readdirSync('src', { withFileTypes: true }))
    assert.ok(
      file.isDirectory() || ['assets.d.ts', 'README.md'].includes(file.name),
      `src/${file.name} lies outside the folders`,
    );
});

test('no import goes upward or sideways', () => {
  assert.equal(wrongImports(sources()), []);
});

test('no circle of imports (types apart, which are gone at run time)', () => {
  assert.is(circle(sources(true)), undefined);
});

test('the checks themselves see an upward import, a sideways one and a circle', () => {
  const from = (text: string) => importsOf(text);
  assert.equal(
    from(`import type { A } from './a.js';\nexport * from "../b/b.js";\nconst c = await import('./c.js');`),
    ['./a.js', '../b/b.js', './c.js'],
  );
  assert.equal(from(`// import x from './no.js'\n/* export * from './no.js' */ import './yes.js';`), ['./yes.js']);
  const graph = new Map([
    ['src/core/a.ts', ['src/gpu/b.ts']],
    ['src/gpu/b.ts', ['src/core/a.ts']],
    ['src/measures/c.ts', ['src/training/d.ts']],
    ['src/training/d.ts', []],
  ]);
  assert.equal(wrongImports(graph), [
    'src/core/a.ts (layer 0) imports src/gpu/b.ts (layer 2)',
    'src/measures/c.ts (layer 5) imports src/training/d.ts (layer 5)',
  ]);
  assert.is(circle(graph), 'src/core/a.ts -> src/gpu/b.ts -> src/core/a.ts');
});

for (const op of Object.keys(kernels))
  test(`${op} has all its siblings`, () => {
    assert.equal(missingSiblings(op), []);
  });

test('src/kernels/ contains operations; their helpers are in shared/, measuring and checking tools in tools/', () => {
  const beside = ['index', 'table', 'gradients'];
  const files = readdirSync('src/kernels').filter((f) => f.endsWith('.ts'));
  const others = files.map((f) => f.replace(/\.ts$/, '')).filter((name) => !(name in kernels || beside.includes(name)));
  assert.equal(others, []);
});

test('a missing sibling is seen', () => {
  assert.ok(missingSiblings('noSuchOperation').length >= 4);
});

test('source files stay under 400 lines', () => {
  const long = [...walk('src'), ...walk('assembly')].filter((f) => readFileSync(f, 'utf8').split('\n').length > 400);
  assert.equal(long, []);
});

test.run();

function missingSiblings(op: string): string[] {
  const shader = readdirSync('shaders').some(
    (f) => f === `${op}.wgsl` || (f.startsWith(`${op}_`) && f.endsWith('.wgsl')),
  );
  const reference = sharedReferences[op] ?? op.replace(/Backward$/, '');
  const files = [`src/kernels/${op}.ts`, `src/reference/${reference}.ts`, `test/kernels/${op}.test.ts`];
  if (wasmExecutorExists) files.push(`assembly/kernels/${op}.ts`);
  return [...(shader ? [] : [`shaders/${op}.wgsl`]), ...files.filter((f) => !existsSync(f))];
}

function folders(): string[] {
  const all = readdirSync('src', { withFileTypes: true }).filter((e) => e.isDirectory() && e.name !== 'build');
  return all.map((e) => e.name).filter((name) => walk(`src/${name}`).length);
}

function walk(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.ts') && !f.includes('node_modules/'))
    .map((f) => join(folder, f))
    .sort();
}

/** Each file of src/ with the files of src/ that it imports, excluding inlined assets and packages. */
function sources(withoutTypes = false): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  for (const file of folders().flatMap((folder) => walk(`src/${folder}`)))
    graph.set(
      file,
      importsOf(readFileSync(file, 'utf8'), withoutTypes)
        .filter((path) => path.startsWith('.') && path.endsWith('.js'))
        .map((path) => normalize(join(dirname(file), path)).replace(/\.js$/, '.ts')),
    );
  return graph;
}

function importsOf(text: string, withoutTypes = false): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
  const pattern = /\b(?:import|export)\b[^'"`;()]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g;
  const all = [...code.matchAll(pattern)].filter((m) => !(withoutTypes && /^\w+\s+type\b/.test(m[0])));
  return all.map((m) => m[1] ?? m[2]);
}

function wrongImports(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const wrong: string[] = [];
  for (const [file, targets] of graph)
    for (const target of targets) {
      const [from, to] = [file, target].map((f) => f.split('/')[1]);
      if (from === to || layers[from] > layers[to] || `${from} -> ${to}` in exceptions) continue;
      wrong.push(`${file} (layer ${layers[from]}) imports ${target} (layer ${layers[to]})`);
    }
  return wrong;
}

/** The first circle found, or undefined. */
function circle(graph: ReadonlyMap<string, readonly string[]>): string | undefined {
  const finished = new Set<string>();
  const visit = (file: string, path: string[]): string | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(' -> ');
    if (finished.has(file)) return undefined;
    for (const next of graph.get(file) ?? []) {
      const found = visit(next, [...path, file]);
      if (found) return found;
    }
    finished.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const found = visit(file, []);
    if (found) return found;
  }
  return undefined;
}
