/** `rhm sweep` as a user meets it: plan, run, status, export, and what it refuses. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exactPlateaus } from '../../src/analysis/curves.js';
import { stepThreshold } from '../../src/analysis/staircase.js';
import { parseRecords } from '../../src/core/records.js';
import { expandGrid } from '../../src/sweep/grid.js';
import { indexLines } from '../../src/sweep/store.js';
import { rulesOf } from '../../src/training/members.js';
import { type Ran, rhm } from '../support/run.js';
import { startRhm } from './processes.js';
import { assertSameRuns, stepsLasting } from './support.js';

const test = suite('rhm sweep');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-sweep-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const YAML = `# a comment
name: widths
base:
  model: hcnn
  grammar: {v: 6, m: 2, L: 2}
  budget: {batch: 8, steps: 300}
  evaluation: {size: 32}
  measures: [norms]
grid:
  model.width: [8, 16]
seeds: 3
`;
const wasm = ['--executor', 'wasm', '--threads', '1'];

function write(name: string, text: string): string {
  const file = join(scratch, name);
  writeFileSync(file, text);
  return file;
}
const json = (ran: Ran) => {
  assert.is(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout);
};
const lines = (ran: Ran) =>
  ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('plan: runs, groups, FLOPs, bytes, time; complete runs do not count again', async () => {
  const spec = write('widths.yaml', YAML);
  const out = join(scratch, 'plan');
  const plan = json(await rhm(['sweep', 'plan', spec, '--out', out, ...wasm, '--json', '--all']));
  assert.equal([plan.name, plan.runs, plan.complete, plan.missing, plan.groups.length], ['widths', 6, 0, 6, 2]);
  assert.equal(
    plan.groups.map((g: { runs: number }) => g.runs),
    [3, 3],
  );
  assert.ok(plan.seconds > 0 && plan.groups.every((g: { measured: boolean }) => g.measured));
  assert.equal(plan.list.map((r: { name: string }) => r.name).slice(0, 4), [
    'model.width=8 seed=0',
    'model.width=8 seed=1',
    'model.width=8 seed=2',
    'model.width=16 seed=0',
  ]);
  // One step at width w, batch 8, two layers of stride 2 on 4 tokens: the products of the forward pass and the two of the
  // backward pass are 2*(8*2*2w*w... of the second layer; the first is a gather. The total is right within a factor of two.
  const [narrow, wide] = plan.groups;
  const products = (w: number) => 3 * 2 * 8 * (2 * w * w + w * 6);
  for (const [g, w] of [
    [narrow, 8],
    [wide, 16],
  ] as const)
    assert.ok(g.stepFlops > products(w) && g.stepFlops < 3 * products(w), `${g.stepFlops} against ${products(w)}`);
  assert.is(plan.flops, narrow.flops + wide.flops);

  const small = await rhm([
    'sweep',
    'run',
    spec,
    '--out',
    out,
    ...wasm,
    '--isolate',
    'none',
    '--shard',
    '0/2',
    '--json',
  ]);
  assert.is(lines(small).at(-1).trained, 3);
  const after = json(await rhm(['sweep', 'plan', spec, '--out', out, '--no-calibrate', '--json']));
  assert.equal([after.complete, after.missing, after.groups.length, after.seconds], [3, 3, 1, undefined]);
  const text = await rhm(['sweep', 'plan', spec, '--out', out, ...wasm]);
  assert.match(
    text.stdout,
    /3 complete in .*, 3 to train in 1 group of equal shapes:\n +3 x hcnn width 16, v=6 m=2 s=2 L=2, batch 8: .*about \d.* for all plans one after the other on WebAssembly[^;]*$/s,
  );
  const early = write('early.yaml', YAML.replace('steps: 300', 'steps: 300, stopLoss: 0.1'));
  assert.match(
    (await rhm(['sweep', 'plan', early, '--out', join(scratch, 'early'), ...wasm])).stdout,
    /at most \d.*; runs stop early, usually/,
  );
});

test('run in this thread, in threads, in processes: the same bits; a second process beside the first trains nothing twice', async () => {
  const spec = write('widths.yaml', YAML);
  const args = (name: string, ...more: string[]) => [
    'sweep',
    'run',
    spec,
    '--out',
    join(scratch, name),
    ...wasm,
    '--json',
    ...more,
  ];
  const ran = await rhm(args('none', '--isolate', 'none'));
  const events = lines(ran);
  assert.equal([events[0].type, events[0].waiting], ['begin', 6]);
  assert.is(events.filter((e) => e.type === 'run' && e.state === 'done').length, 6);
  assert.ok(events.some((e) => e.type === 'progress' && e.total === 6));
  assert.match(ran.stderr, /running on WebAssembly/);
  for (const isolate of ['thread', 'process'])
    assert.is(lines(await rhm(args(isolate, '--isolate', isolate, '--workers', '2'))).at(-1).trained, 6);
  // Widths differ, seeds and lengths do not matter: three runs fit into one plan.
  assert.is(lines(await rhm(args('packed', '--isolate', 'none', '--pack', '3'))).at(-1).trained, 6);
  const begun = readFileSync(
    join(scratch, 'packed', 'runs', readdirSync(join(scratch, 'packed', 'runs'))[0], 'records.jsonl'),
    'utf8',
  );
  assert.match(begun, /"together":3/);
  const both = await Promise.all([0, 1].map(() => rhm(args('both', '--workers', '2'))));
  const ends = both.map((ran) => lines(ran).at(-1));
  assert.is(ends[0].trained + ends[1].trained, 6, JSON.stringify(ends));
  for (const end of ends) assert.equal([end.trained + end.present, end.failed], [6, []]);
  for (const name of ['thread', 'process', 'packed', 'both'])
    assertSameRuns(join(scratch, name), join(scratch, 'none'), 6);
});

test('SIGTERM: saves, says how to continue; status lists what is done, running and waiting, and why', async () => {
  const base = { model: { kind: 'hcnn', width: 16 }, grammar: { v: 6, m: 2, L: 2 }, budget: { batch: 16 } };
  const budget = { batch: 16, steps: await stepsLasting(6, base, scratch) };
  const spec = write('long.json', JSON.stringify({ base: { ...base, budget }, seeds: 2 }));
  const out = join(scratch, 'long');
  const sweep = startRhm(['sweep', 'run', spec, '--out', out, ...wasm, '--json']);
  await sweep.said(/"step":[1-9]/);
  const during = json(await rhm(['sweep', 'status', out, '--json']));
  assert.equal([during.running, during.waiting], [1, 1]);
  assert.match(during.runs[0].why, new RegExp(`process ${sweep.child.pid} on `));
  sweep.child.kill('SIGTERM');
  const { code, output } = await sweep.ended;
  assert.is(code, 143, output);
  assert.match(output, /SIGTERM: saving a checkpoint/);
  const after = json(await rhm(['sweep', 'status', spec, '--out', out, '--json']));
  assert.equal([after.running, after.waiting], [0, 2]);
  assert.equal(
    after.runs.map((r: { why: string }) => r.why),
    ['interrupted'],
  );
  const text = await rhm(['sweep', 'status', out]);
  assert.match(
    text.stdout,
    /2 runs: 0 done, 0 diverged, 0 running, 0 failed, 2 waiting\n +waiting +[0-9a-f]{16} +seed=0.*: interrupted/,
  );
});

test('export: DuckDB reads Parquet and CSV, and finds the numbers of the records', async () => {
  const out = join(scratch, 'none');
  const result = json(await rhm(['sweep', 'export', out, '--json']));
  assert.equal([result.runs, result.rows.runs], [6, 6]);
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const query = async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJson();
  const grid = await expandGrid({
    base: {
      model: 'hcnn',
      grammar: { v: 6, m: 2, L: 2 },
      budget: { batch: 8, steps: 300 },
      evaluation: { size: 32 },
      measures: ['norms'],
    },
    grid: { 'model.width': [8, 16] },
    seeds: 3,
  });
  // Whole numbers are stored as such, so that no one gets a step of 300.0 or a rounded seed.
  const types = async (name: string) =>
    Object.fromEntries(
      (await query(`describe select * from '${join(out, 'export', `${name}.parquet`)}'`)).map((c) => [
        c.column_name,
        c.column_type,
      ]),
    );
  const runTypes = await types('runs');
  for (const [type, names] of Object.entries({
    BIGINT: [
      'replica',
      'steps_done',
      'steps',
      'samples',
      'elapsed_ms',
      'starts',
      'P_1',
      'P_2',
      'seed',
      'grammar.m',
      'model.width',
      'budget.steps',
      'evaluation.size',
    ],
    DOUBLE: [
      'last_loss',
      'last_accuracy',
      'best_loss',
      'test_loss',
      'H_0',
      'H_1',
      'H_2',
      'optimiser.rate',
      'optimiser.weightDecay',
      'schedule.floor',
    ],
    VARCHAR: [
      'run',
      'executor',
      'adapter',
      'runtime',
      'version',
      'commit',
      'os',
      'processor',
      'card',
      'driver',
      'model.kind',
    ],
    BOOLEAN: ['model.bias'],
  }))
    for (const name of names) assert.is(runTypes[name], type, name);
  for (const name of ['started', 'last_started', 'ended']) assert.match(String(runTypes[name]), /^TIMESTAMP/, name);
  assert.equal(Object.values(await types('evals')), [
    'VARCHAR',
    'BIGINT',
    'BIGINT',
    'BIGINT',
    'DOUBLE',
    'DOUBLE',
    'BIGINT',
  ]);
  assert.equal(Object.values(await types('measures')), [
    'VARCHAR',
    'VARCHAR',
    'BIGINT',
    'BIGINT',
    'BIGINT',
    'BIGINT',
    'BIGINT',
    'BIGINT',
    'BIGINT',
    'DOUBLE',
  ]);
  for (const format of ['parquet', 'csv']) {
    const [where] = await query(
      `select count(*)::int n, min(executor) executor, min(runtime) runtime, min(starts)::int starts, min(ended >= started) ordered, min(steps)::int steps, max(epoch(started))::double latest from '${join(out, 'export', `runs.${format}`)}'`,
    );
    assert.equal([where.n, where.executor, where.starts, where.ordered, where.steps], [6, 'wasm', 1, true, 300]);
    assert.match(String(where.runtime), /^node 2\d/);
    const age = Date.now() / 1000 - Number(where.latest);
    assert.ok(age >= 0 && age < 3600, `${age} seconds ago, east of Greenwich too`);
  }
  let positions = 0;
  for (const format of ['parquet', 'csv']) {
    const table = (name: string) => `'${join(out, 'export', `${name}.${format}`)}'`;
    for (const { hash, experiment } of grid.runs) {
      const records = readFileSync(join(out, 'runs', hash, 'records.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((l) => JSON.parse(l));
      const evals = records.filter((r) => r.type === 'eval');
      const [row] = await query(
        `select last_loss, last_accuracy, best_loss, steps_done, "model.width" width, seed, state, "end" reason, "model.bias" bias from ${table('runs')} where run = '${hash}'`,
      );
      assert.equal(
        Object.values(row).map((x) => (/^\d+$/.test(String(x)) ? Number(x) : x)),
        [
          evals.at(-1).loss,
          evals.at(-1).accuracy,
          Math.min(...evals.map((e) => e.loss)),
          300,
          (experiment.model as { width: number }).width,
          experiment.seed,
          'done',
          'done',
          false,
        ],
      );
      // 300 steps of 8 sentences: the plateaus of this grammar, and where the curve passes the middles of the steps between them.
      const H = exactPlateaus(rulesOf(experiment));
      const [stairs] = await query(
        `select H_0, H_1, H_2, P_1::int, P_2::int from ${table('runs')} where run = '${hash}'`,
      );
      const reached = H.slice(1).map((_, i) => {
        const at = evals.findIndex(({ loss }) => loss <= stepThreshold(H, i + 1));
        return at < 0 ? [null, null] : [evals[Math.max(0, at - 1)].samples, evals[at].samples];
      });
      positions += reached.filter(([from]) => from !== null).length;
      const [H0, H1, H2, ...P] = Object.values(stairs) as (number | null)[];
      assert.equal([H0, H1, H2], H);
      reached.forEach(([from, to], i) => {
        if (from === null) assert.is(P[i], null);
        else assert.ok(P[i]! >= from && P[i]! <= to, `P_${i + 1} = ${P[i]}, between ${from} and ${to}`);
      });
      const [sums] = await query(
        `select count(*)::int n, sum(loss) loss, max(samples)::int samples from ${table('evals')} where run = '${hash}'`,
      );
      assert.is(sums.n, evals.length);
      assert.is(sums.samples, 2400);
      const total = evals.reduce((sum, e) => sum + e.loss, 0);
      assert.ok(Math.abs((sums.loss as number) - total) <= 1e-12 * total);
      const norms = records.filter((r) => r.type === 'measure');
      const [measured] = await query(
        `select count(*)::int n, count(distinct name)::int kinds, max(value) top from ${table('measures')} where run = '${hash}'`,
      );
      assert.equal(Object.values(measured), [
        norms.length,
        new Set(norms.map((r) => r.name)).size,
        Math.max(...norms.map((r) => r.value)),
      ]);
    }
  }
  assert.ok(positions > 0);
  connection.closeSync();
});

test('export: P_ell of a step that was not reached is empty; last, best and test loss of a run with a validation set', async () => {
  const out = join(scratch, 'unfinished');
  const experiment = {
    model: { kind: 'hcnn', width: 8 },
    grammar: { v: 6, m: 2, L: 2 },
    budget: { batch: 8, sentences: 16, steps: 24 },
    evaluation: { size: 16, validation: 16 },
    optimiser: { kind: 'sgd', rate: 3 },
  };
  const spec = join(scratch, 'unfinished.json');
  const grid = { 'model.width': [8, 16, 16], seed: [0] };
  writeFileSync(spec, JSON.stringify({ base: experiment, grid, filter: 'model.width < 9' }));
  const ran = await rhm(['sweep', 'run', spec, '--out', out, '--isolate', 'none']);
  assert.is(ran.code, 0);
  assert.match(ran.stderr, /^1 of 3 combinations, 2 left out by filter\n/);
  const plan = await rhm(['sweep', 'plan', spec, '--out', out, '--no-calibrate']);
  assert.match(plan.stdout, /^unfinished: 1 run \(1 of 3 combinations, 2 left out by filter\)\n/);
  const { files } = json(await rhm(['sweep', 'export', out, '--format', 'csv', '--json']));
  const [head, cells] = readFileSync(files[0], 'utf8')
    .trim()
    .split('\r\n')
    .map((line) => line.split(','));
  const [hash] = readdirSync(join(out, 'runs'));
  const records = parseRecords(readFileSync(join(out, 'runs', hash, 'records.jsonl'), 'utf8')).records;
  const losses = records.flatMap((r) => (r.type === 'eval' ? [r.loss] : []));
  const test = records.find((r) => r.type === 'test')!;
  const of = (name: string) => cells[head.indexOf(name)];
  assert.equal([of('P_1'), of('P_2')], ['', ''], `no step is reached in ${losses}`);
  assert.equal([of('last_loss'), of('best_loss'), of('test_loss')].map(Number), [
    losses.at(-1),
    Math.min(...losses),
    test.loss,
  ]);
  assert.is.not(of('best_loss'), of('last_loss'), 'the loss of this run rises again');
});

test('10,000 runs in one index: plan, status and an idle run in little memory', async () => {
  const grid = {
    base: { model: { kind: 'hcnn', width: 64 }, 'grammar.v': 16 },
    grid: {
      'grammar.m': [2, 3, 4, 5, 6],
      'optimiser.rate': { from: 0.01, to: 10, count: 40, spacing: 'log' },
      'budget.sentences': { P_ell: 3, times: [1, 2, 4, 8, 16] },
    },
    seeds: 10,
  };
  const spec = write('many.json', JSON.stringify(grid));
  const out = join(scratch, 'many');
  const { runs } = await expandGrid(grid);
  assert.is(runs.length, 10_000);
  mkdirSync(join(out, 'runs'), { recursive: true });
  writeFileSync(join(out, 'store.json'), '{"format":"rhm sweep store","version":1,"id":"many"}');
  const events = runs.flatMap(({ hash, name }) => [
    { run: hash, state: 'waiting' as const, at: 1, name },
    { run: hash, state: 'running' as const, at: 2, by: 'process 1 on here' },
    { run: hash, state: 'done' as const, at: 3, loss: 0.5, step: 1000, tries: 0 },
  ]);
  writeFileSync(join(out, 'index.jsonl'), indexLines(events));
  for (const { hash } of runs) mkdirSync(join(out, 'runs', hash));
  for (const [name, args] of [
    ['plan', ['sweep', 'plan', spec, '--out', join(scratch, 'elsewhere'), '--no-calibrate']],
    ['plan with a calibration', ['sweep', 'plan', spec, '--out', join(scratch, 'elsewhere'), ...wasm]],
    ['status of the store', ['sweep', 'status', out]],
    ['status of the grid', ['sweep', 'status', spec, '--out', out]],
    ['run with nothing to do', ['sweep', 'run', spec, '--out', out, ...wasm]],
  ] as const) {
    const report = 'process.on("exit",()=>process.stderr.write("maxRSS "+process.resourceUsage().maxRSS+"\\n"))';
    const started = performance.now();
    const ran = await rhm(args, {
      env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(report)}` },
    });
    const seconds = (performance.now() - started) / 1000;
    assert.is(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /10000 runs|10000 of 10000/);
    const mib = Number(/maxRSS (\d+)/.exec(ran.stderr)![1]) / 1024;
    console.log(`10,000 runs, ${name}: ${seconds.toFixed(2)} s, ${mib.toFixed(0)} MiB`);
    assert.ok(mib < 300, `${name}: ${mib} MiB`);
  }
});

test('refused: grids, stores, options', async () => {
  const refused = async (text: string, ...messages: RegExp[]) => {
    const ran = await rhm(['sweep', 'plan', write('bad.yaml', text)]);
    assert.is(ran.code, 2, ran.stderr);
    for (const message of messages) assert.match(ran.stderr, message);
  };
  await refused('', /got null/);
  await refused('grid: {grammar.m: []}', /no values; the grid would be empty/);
  await refused(
    'base: {model: hcnn}\ngrid: {model.width: {from: 1, to: 1000000, step: 1}}\nseeds: 1000',
    /1,000,000,000 combinations, 200,000 at most/,
  );
  await refused(
    'base: {modle: hcnn}\ngrid: {grammar.mm: [1]}\nseed: 3',
    /seed: no such part of a grid; did you mean seeds\?/,
  );
  await refused(
    'base: {modle: hcnn, grammar.LL: 3}\nseeds: 2',
    /2 faults in the grid: .*grammar.LL: no such field.*modle: no such field; did you mean model\?/,
  );
  await refused(
    'base: {grammar: {v: 8, L: 2}, model: {kind: mla, channels: 8}}\ngrid: {model.heads: [1, 2, 3, 4]}',
    /1 fault in the grid: run 2: .*heads/,
  );
  await refused('a: [1', /bad.yaml: .*line 1/);
  await refused('base: &a [*a]', /bad.yaml: refers to itself/);
  const missing = await rhm(['sweep', 'run', join(scratch, 'none.yaml')]);
  assert.is(missing.code, 2);
  assert.match(missing.stderr, /none.yaml: no such file; pass a readable grid file/);
  for (const command of [['sweep', 'status'], ['sweep', 'export'], ['watch']]) {
    const ran = await rhm([...command, join(scratch, 'nowhere')]);
    assert.is(ran.code, 2);
    assert.match(ran.stderr, /nowhere: no such store or grid file; pass the folder/);
  }

  const spec = write('widths.yaml', YAML);
  const newer = join(scratch, 'newer');
  mkdirSync(newer);
  writeFileSync(join(newer, 'store.json'), '{"format":"rhm sweep store","version":2,"id":"x"}');
  for (const args of [
    ['run', spec, '--out', newer],
    ['status', newer],
    ['export', newer],
    ['plan', spec, '--out', newer],
  ]) {
    const ran = await rhm(['sweep', ...args]);
    assert.is(ran.code, 2, args[0]);
    assert.match(ran.stderr, /a store of version 2, this program knows versions up to 1; update rhm-lab/);
  }
  const nothing = await rhm(['sweep', 'status', scratch]);
  assert.is(nothing.code, 2);
  assert.match(nothing.stderr, /no sweep is stored here/);
  const executor = await rhm(['sweep', 'run', spec, '--out', join(scratch, 'x'), '--executor', 'abacus']);
  assert.is(executor.code, 2);
  assert.match(executor.stderr, /executor: got abacus; pass webgpu or wasm/);
  const file = await rhm(['sweep', 'run', spec, '--out', write('file', '')]);
  assert.is(file.code, 1);
  assert.match(file.stderr, /FileError: .*could not make the store/);
});

test.run();
