/** rhm.py with the installed Python; arrays and frames with and without numpy and pandas, models if torch is installed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { lab } from '../../src/entry/node.js';
import { type Ran, rhm, run } from '../support/run.js';

const test = suite('rhm.py');
const scratch = mkdtempSync(join(tmpdir(), 'rhm-python-'));
test.after(() => rmSync(scratch, { recursive: true }));

const pythons = ['/usr/bin/python3', 'python3'].flatMap((path) => {
  try {
    const script = 'import importlib.util as u; print([m for m in ("numpy", "pandas", "torch") if u.find_spec(m)])';
    return [{ path, packages: execFileSync(path, ['-c', script], { encoding: 'utf8' }) }];
  } catch {
    return [];
  }
});
const withPackages = (...names: string[]) =>
  pythons.find(({ packages }) => names.every((name) => packages.includes(name)))?.path;

const python = (script: string, path = pythons[0]?.path ?? 'python3'): Promise<Ran> =>
  run(path, ['-c', `import sys\nsys.path.insert(0, ${JSON.stringify(resolve('dist'))})\n${script}`], {
    cwd: scratch,
    env: { PYTHONDONTWRITEBYTECODE: '1' },
  });

/** The JSON that a script prints. */
async function said(script: string, path?: string): Promise<unknown> {
  const ran = await python(script, path);
  assert.is(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout);
}

const small: ExperimentInput = {
  grammar: { v: 6, m: 2, L: 2, seed: 1 },
  model: { kind: 'hcnn', width: 8 },
  budget: { steps: 60, batch: 8 },
  evaluation: { size: 32 },
};
const bare = 'for name in ("numpy", "pandas", "torch"): sys.modules[name] = None\n';

test('rhm python prints its path', async () => {
  const { stdout } = await rhm(['python']);
  assert.is(stdout.trim(), resolve('dist/rhm.py'));
  assert.match(readFileSync(stdout.trim(), 'utf8'), /^"""rhm-lab from Python/);
});

test('a run is started and its records come as they are made; it is stopped, continued, loaded', async () => {
  const records = (await said(`${bare}import json, rhm
run = rhm.train(${JSON.stringify(small)}, out="run", executor="wasm", threads=1)
print(json.dumps(list(run)))`)) as { type: string; loss?: number }[];
  const here = await lab.train(small, { executor: 'wasm', threads: 1 });
  const losses = (all: readonly { type: string; loss?: number }[]) =>
    all.flatMap((r) => (r.type === 'eval' ? [r.loss] : []));
  assert.equal(losses(records), losses(here.records));
  assert.is(records.at(-1)!.type, 'end');
  const [first, before, second, after] = (await said(`${bare}import json, rhm
long = ${JSON.stringify({ ...small, budget: { steps: 10_000_000, batch: 8 } })}
def some(run, most):
    for record in run:
        if record["type"] == "eval" and record["step"] > most:
            run.stop()
    return [r["step"] for r in run.records if r["type"] == "eval"]
before = some(rhm.train(long, out="long", executor="wasm", threads=1), 500)
first = rhm.load("long").records[-1]["reason"]
again = rhm.train("long/experiment.json", out="long", resume=True, executor="wasm", threads=1)
after = some(again, 4 * before[-1])
print(json.dumps([first, before, rhm.load("long").records[-1]["reason"], after]))`)) as [
    string,
    number[],
    string,
    number[],
  ];
  assert.equal([first, second], ['interrupted', 'interrupted']);
  assert.equal(after.slice(0, before.length), before);
  assert.ok(after.at(-1)! > 4 * before.at(-1)!);
});

test('sentences and weights without numpy: lists', async () => {
  const [rows, shapes, test] = (await said(`${bare}import json, rhm
rows = rhm.sample(count=3, v=6, m=2, L=3, seed=4)
w = rhm.load("run").weights("last")
print(json.dumps([rows, {k: [len(x), len(x[0])] for k, x in w.items()}, rhm.sample(experiment="run/experiment.json", split="test")]))`)) as [
    number[][],
    Record<string, number[]>,
    number[][],
  ];
  const text = await rhm([
    'sample',
    '--count',
    '3',
    '-v',
    '6',
    '-m',
    '2',
    '-L',
    '3',
    '--seed',
    '4',
    '--format',
    'text',
  ]);
  assert.is(rows.map((row) => row.join(' ')).join('\n'), text.stdout.trim());
  assert.equal(shapes, { 'hidden.0.0.filter': [8, 6], 'hidden.1.0.filter': [8, 8], readout: [8, 6] });
  assert.is(test.length, 32);
});

test('a sweep: its events', async () => {
  const grid = { base: { ...small, budget: { steps: 5, batch: 8 } }, grid: { seed: [1, 2, 3] } };
  const events = (await said(`${bare}import json, rhm
print(json.dumps(list(rhm.sweep(${JSON.stringify(grid)}, out="store", executor="wasm", isolate="none"))))`)) as {
    type: string;
    trained?: number;
  }[];
  assert.is(events.at(-1)!.type, 'end');
  assert.is(events.at(-1)!.trained, 3);
});

test('errors of rhm are exceptions with their message', async () => {
  const refused = async (script: string) =>
    (await said(`${bare}import json, rhm
try:
    ${script}
    print(json.dumps("nothing"))
except rhm.RhmError as error:
    print(json.dumps([str(error), error.status]))`)) as [string, number];
  assert.match(
    (await refused('rhm.train({"modle": "hcnn"}, out="refused").wait()'))[0],
    /modle: no such field; did you mean model/,
  );
  assert.equal((await refused('rhm.sample(v=6)'))[1], 2);
  assert.match((await refused('rhm.load("nowhere")'))[0], /nowhere: no experiment.json/);
  assert.match((await refused('list(rhm.sweep({"gird": {}}, out="store2"))'))[0], /gird/);
});

const arrays = withPackages('numpy', 'pandas');
(arrays ? test : test.skip)('numpy arrays and a pandas frame', async () => {
  const [shape, dtype, columns, rows, weights] = (await said(
    `import json, rhm
run = rhm.load("run")
frame = run.frame()
x = rhm.sample(count=5, v=6, m=2, L=3)
w = run.weights()
print(json.dumps([x.shape, str(x.dtype), sorted(frame.columns), len(frame), [str(w["readout"].dtype), w["readout"].shape]]))`,
    arrays,
  )) as [number[], string, string[], number, [string, number[]]];
  assert.equal([shape, dtype, weights], [[5, 8], 'uint8', ['float32', [8, 6]]]);
  assert.ok(columns.includes('loss') && columns.includes('step') && rows > 5);
});

const grammar = { v: 6, m: 2, s: 3, L: 2, seed: 2 };
const models: Record<string, ExperimentInput> = {
  hcnn: { grammar, model: { kind: 'hcnn', width: 9, bias: true } },
  'hcnn of one layer': { grammar, task: 'class', model: { kind: 'hcnn', width: 9, depth: 1, scaling: 'standard' } },
  'hcnn over a part': {
    grammar,
    task: { kind: 'last', context: 6 },
    model: { kind: 'hcnn', width: 9, depth: 1, filter: 2 },
  },
  hlcn: { grammar, model: { kind: 'hlcn', width: 7, bias: true } },
  fcn: { grammar, model: { kind: 'fcn', width: 8, depth: 2, bias: true } },
  perceptron: { grammar, task: 'class', model: { kind: 'fcn', depth: 0 } },
  mla: { grammar, model: { kind: 'mla', channels: 12, heads: 3, depth: 3 } },
  'mla with everything': {
    grammar,
    task: 'class',
    model: { kind: 'mla', channels: 12, heads: 3, residual: true, ratio: 2, norm: 'layer' },
  },
  'mla, RMS norms': { grammar, model: { kind: 'mla', channels: 12, heads: 3, residual: true, norm: 'rms' } },
  clm: { grammar, task: 'auto', model: { kind: 'clm', channels: 12, heads: 3, depth: 2 } },
  'clm, tied, over a part': {
    grammar,
    task: { kind: 'auto', context: 5 },
    model: { kind: 'clm', channels: 8, heads: 2, depth: 1, tied: true },
  },
  'mla, masked tokens': { grammar, task: 'mask', model: { kind: 'mla', channels: 12, heads: 3, residual: true } },
  'clm, tied, masked tokens': {
    grammar,
    task: 'mask',
    model: { kind: 'clm', channels: 8, heads: 2, depth: 1, tied: true },
  },
  unet: { grammar, task: { kind: 'mask', fraction: 0.5 }, model: { kind: 'unet', width: 8 } },
  'unet of one layer': { grammar, task: 'mask', model: { kind: 'unet', width: 4, depth: 1, scaling: 'standard' } },
};
const torch = withPackages('numpy', 'torch');
for (const [name, experiment] of Object.entries(models))
  (torch ? test : test.skip)(`${name} as a torch module: the logits of lab.logits to 1e-5`, async () => {
    const folder = join(scratch, name.replaceAll(/\W/g, '-'));
    await lab.train(
      { budget: { steps: 40, batch: 8 }, evaluation: { size: 16 }, ...experiment },
      { executor: 'wasm', threads: 1, folder },
    );
    const rules = await lab.rules({ n: 6, ...parseExperiment(experiment).grammar }, 2);
    const drawn = [...(await lab.sample(rules, { count: 11, seed: 5 }))];
    const isMasked = parseExperiment(experiment).task.kind === 'mask';
    const tokens = isMasked ? drawn.map((token, i) => (i % 4 ? token : -1)) : drawn;
    writeFileSync(join(scratch, 'tokens.json'), JSON.stringify(tokens));
    const want = await lab.logits({ run: folder }, { shape: [11, 9], data: tokens }, { executor: 'wasm', threads: 1 });
    const [shape, logits] = (await said(
      `import json, torch, rhm
torch.set_default_dtype(torch.float64)
tokens = torch.tensor(json.load(open("tokens.json"))).view(11, 9)
y = rhm.load(${JSON.stringify(folder)}).model()(tokens)
print(json.dumps([list(y.shape), y.flatten().tolist()]))`,
      torch,
    )) as [number[], number[]];
    assert.equal(shape, want.shape);
    const scale = Math.max(...logits.map(Math.abs));
    for (const [i, x] of logits.entries())
      assert.ok(Math.abs(x - want.data[i]) <= 1e-5 * scale, `${name}, logit ${i}: ${x} and ${want.data[i]}`);
  });

console.log(`packages: ${pythons.map(({ path, packages }) => `${path} ${packages.trim()}`).join(', ')}`);
test.run();
