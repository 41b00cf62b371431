import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type MeasureRecord, parseRecords } from '../../src/core/records.js';
import { rhm } from '../support/run.js';

const test = suite('export of measures of every position');
const scratch = mkdtempSync(join(tmpdir(), 'rhm-maps-'));
test.after(() => rmSync(scratch, { recursive: true }));

test('a row for the whole, and one for each position of the layer and place of the level', async () => {
  const spec = join(scratch, 'spec.json');
  const base = {
    model: { kind: 'hcnn', width: 8 },
    grammar: { v: 4, m: 2, L: 2 },
    budget: { batch: 4, steps: 2 },
    evaluation: { size: 16 },
    measures: ['probes'],
  };
  writeFileSync(spec, JSON.stringify({ base, grid: {}, seeds: 1 }));
  const store = join(scratch, 'store');
  const ran = await rhm(['sweep', 'run', spec, '--out', store, '--executor', 'wasm', '--threads', '1']);
  assert.is(ran.code, 0, ran.stderr);
  const out = join(scratch, 'tables');
  const exported = await rhm(['sweep', 'export', store, '--to', out]);
  assert.is(exported.code, 0, exported.stderr);

  const [folder] = readdirSync(join(store, 'runs'));
  const text = readFileSync(join(store, 'runs', folder, 'records.jsonl'), 'utf8');
  const records = parseRecords(text).records.filter((r): r is MeasureRecord => r.type === 'measure');
  assert.is(records.length, 2 * 2 * 2); // looks, layers, levels
  const wanted = records.flatMap(({ step, layer, level, value, map }) => [
    [step, layer, level, null, null, value],
    ...map!.flatMap((row, position) => row.map((x, place) => [step, layer, level, position, place, x])),
  ]);
  const bytes = readFileSync(join(out, 'measures.parquet'));
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  const number = (x: unknown) => (x === null || x === undefined ? null : Number(x));
  const found = (await parquetReadObjects({ file })).map((row) =>
    ['step', 'layer', 'level', 'position', 'place', 'value'].map((name) => number(row[name])),
  );
  assert.equal(found, wanted);
  assert.match(
    readFileSync(join(out, 'measures.csv'), 'utf8'),
    /^run,name,replica,step,samples,layer,level,position,place,value\r\n/,
  );
});

test.run();
