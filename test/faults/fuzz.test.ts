/** Modified inputs of every parser of outside data: each is accepted or refused with a sentence, never "not expected". */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RhmError } from '../../src/core/errors.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { checkTree, parseJson, printable, printableJson } from '../../src/core/outside.js';
import { parseRules } from '../../src/core/parseRules.js';
import { parseRecords } from '../../src/core/records.js';
import { makeRules } from '../../src/core/rules.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/core/safetensors.js';
import { applySettings } from '../../src/core/settings.js';
import { parseQueueUrl } from '../../src/platform/queue/connect.js';
import { acceptsGzip, fileFor, isOwnHost, rangeOf } from '../../src/platform/staticServer.js';
import { compileExpression } from '../../src/sweep/expression.js';
import { readMessage, readProgress } from '../../src/sweep/received.js';
import { parseSpec } from '../../src/sweep/spec.js';
import { foldIndex } from '../../src/sweep/store.js';
import { fromHash, toHash } from '../../src/web/link.js';
import { firstSetting, parseSetting } from '../../src/web/setting.js';

const test = suite('fuzzed parsers');
const COUNT = process.env.RHM_SOAK ? 20_000 : 1000;

/** Mulberry32: the same inputs each time. */
let state = 1;
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const below = (n: number) => Math.floor(random() * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)];

const odd: readonly unknown[] = [
  null,
  true,
  '',
  'x',
  '../../x',
  '__proto__',
  '\u001b[31m',
  -1,
  0,
  1.5,
  1e308,
  2 ** 31,
  2 ** 53,
  Number.NaN,
  [],
  {},
  [[]],
  { kind: 'x' },
  { a: { b: [1] } },
  'constructor',
  'toString',
  '\ud800',
  ['a', null],
];

const names = ['x', 'kind', 'constructor', 'toString', 'name', '', 'a.b'];

/** One to three changes somewhere in a JSON value. */
function changed(value: unknown): unknown {
  const copy = structuredClone({ value });
  for (let i = below(3); i >= 0; i--) {
    let at: Record<string, unknown> = copy;
    let key = 'value';
    while (random() < 0.8) {
      const inner = at[key];
      if (typeof inner !== 'object' || inner === null || !Object.keys(inner).length) break;
      at = inner as Record<string, unknown>;
      key = pick(Object.keys(at));
    }
    const kind = random();
    if (kind < 0.6) at[key] = structuredClone(pick(odd));
    else if (kind < 0.75) delete at[key];
    else if (Array.isArray(at)) at.push(structuredClone(pick(odd)));
    else at[pick(names)] = structuredClone(pick(odd));
  }
  return copy.value;
}

/** A few bytes of a text or file changed, cut, doubled. */
function damaged(bytes: Uint8Array): Uint8Array {
  let out = Uint8Array.from(bytes);
  for (let i = below(4); i >= 0 && out.length; i--) {
    const at = below(out.length);
    const kind = random();
    if (kind < 0.5) out[at] = random() < 0.5 ? out[at] ^ (1 << below(8)) : below(256);
    else if (kind < 0.7) out = out.slice(0, at);
    else
      out = Uint8Array.from([...out.slice(0, at), ...out.slice(below(at + 1), at + 1 + below(20)), ...out.slice(at)]);
  }
  return out;
}
const damagedText = (text: string) => new TextDecoder().decode(damaged(new TextEncoder().encode(text)));

const experiment = parseExperiment({ model: 'mla', grammar: { v: 4, m: 2, L: 2, ruleProbabilities: { zipf: 1 } } });
const rules = makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1);
const message = { protocol: 1, store: 'store', hash: '0123456789abcdef', name: 'm=2', experiment };
const records = [
  { type: 'start', hash: '0123456789abcdef', step: 0 },
  { type: 'eval', replica: 0, step: 1, samples: 32, loss: 1.5, accuracy: 0.5, elapsed_ms: 3 },
  { type: 'measure', replica: 0, step: 1, samples: 32, name: 'invariance', layer: 1, level: 1, value: 0.5 },
  { type: 'end', replica: 0, reason: 'done' },
];
const lines = (list: readonly unknown[]) => list.map((one) => `${JSON.stringify(one)}\n`).join('');
const index = [{ run: '0123456789abcdef', state: 'done', at: 1, name: 'm=2', loss: 1, step: 3, tries: 1 }];
const grid = {
  name: 'g',
  base: { model: 'hcnn', 'grammar.v': 8 },
  grid: { 'grammar.m': [2, 3], 'budget.batch': { from: 1, to: 8, factor: 2 } },
  zip: { 'grammar.L': [2, 3], 'model.width': [8, 16] },
  seeds: { from: 1, count: 2 },
  derive: { 'budget.steps': { P_ell: 2, times: [0.5] } },
  filter: 'grammar.m < 4',
  blocks: [{ base: { task: 'last' } }],
};
const tensors = encodeSafetensors({
  metadata: { format: 'pt' },
  tensors: new Map([['a', { dtype: 'F32' as const, shape: [2, 3], data: new Float32Array(6) }]]),
});
const utf8 = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const parsers: Record<string, () => unknown> = {
  'JSON text': () => parseJson(damaged(utf8(experiment)), 'file'),
  'values of YAML': () => checkTree(changed(grid), 'file'),
  experiment: () => parseExperiment(changed(experiment)),
  rules: () => parseRules(changed(rules)),
  'records, lines changed': () => parseRecords(lines(records.map((r) => (random() < 0.5 ? changed(r) : r)))),
  'records, bytes changed': () => parseRecords(damagedText(lines(records))),
  safetensors: () => decodeSafetensors(damaged(tensors)),
  settings: () => applySettings({}, [damagedText('grammar.m={"a":[1,2]}'), damagedText('model=hcnn')]),
  job: () => readMessage(changed(message)),
  progress: () => readProgress(changed({ step: 1, steps: 2, loss: 1, samplesPerSecond: 3 })),
  'index, lines changed': () => foldIndex(lines(index.map(changed))),
  'index, bytes changed': () => foldIndex(damagedText(lines([...index, ...index]))),
  grid: () => parseSpec(changed(grid)),
  expression: () => compileExpression(damagedText('grammar.m * 2 ** P(2) > 3 && $c < min(1, 2) ? a : "b"')),
  setting: () => parseSetting(changed(firstSetting)),
  link: () => fromHash(`#setting=${damagedText(toHash(firstSetting).slice(9))}`),
  'queue address': () => parseQueueUrl(damagedText('rediss://me:p%40ss@[::1]:6379/3')),
  'path of a request': () => fileFor('/nowhere', damagedText('/a/..%2f%2e%2e/b?c#d')),
  range: () => rangeOf(damagedText('bytes=10-200'), 100),
  encodings: () => acceptsGzip(damagedText('br;q=0.5, gzip;q=0.1, *;q=0')),
  host: () => isOwnHost(damagedText('localhost:8137'), '127.0.0.1'),
  'text for people': () =>
    assert.not.match(printable(damagedText('\u001b[2J\u009b ab\u202e')), /(?![\n\t])[\p{Cc}\p{Cf}]/u),
  'JSON for people': () => JSON.parse(printableJson(changed({ '\u009b': '\u001b[31m' }))),
};

for (const [name, parse] of Object.entries(parsers))
  test(`${name}: ${COUNT} inputs`, async () => {
    for (let i = 0; i < COUNT; i++)
      try {
        await parse();
      } catch (error) {
        if (!(error instanceof RhmError)) {
          (error as Error).message = `input ${i}: ${(error as Error).message}`;
          throw error;
        }
        assert.ok(error.message.length > 5, `input ${i}: ${error.message}`);
      }
  });

test.run();
