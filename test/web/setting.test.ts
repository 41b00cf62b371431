import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { fromHash, toHash } from '../../src/web/link.js';
import { experimentsOf, firstSetting, pageLimits, parseSetting } from '../../src/web/setting.js';

const test = suite('settings of the page');
const refusal = (value: unknown): string => {
  try {
    parseSetting(value);
  } catch (error) {
    assert.instance(error, InputError);
    return (error as Error).message;
  }
  return '';
};
const mla = (more: object) => [{ model: { kind: 'mla', channels: 32, heads: 4, ...more } }];

test('the first setting goes through, and through a link', () => {
  assert.equal(parseSetting(firstSetting), firstSetting);
  assert.equal(fromHash(toHash(firstSetting)), firstSetting);
  assert.is(fromHash('#grammar'), undefined);
  assert.is(experimentsOf(firstSetting).length, 2);
});

/** A setting with one field at a value. */
const at: Record<keyof typeof pageLimits, (value: number) => object> = {
  'grammar.v': (v) => ({ grammar: { v, n: 2, m: 2, L: 2 } }),
  'grammar.m': (m) => ({ grammar: { v: 64, n: 2, m, s: 3, L: 2 } }),
  'grammar.L': (L) => ({ grammar: { v: 4, m: 2, s: 2, L } }),
  tokens: (tokens) => ({ grammar: { v: 4, m: 2, s: tokens === 256 ? 16 : 17, L: 2 } }), // 17^2 = 289
  'model.width': (width) => ({ networks: [{ model: { kind: 'hcnn', width } }] }),
  'model.channels': (channels) => ({ networks: mla({ channels: channels === 512 ? 512 : 516 }) }),
  'model.depth': (depth) => ({ networks: mla({ depth }) }),
  'budget.batch': (batch) => ({ budget: { batch } }),
  'budget.accumulate': (accumulate) => ({ budget: { accumulate } }),
  'budget.steps': (steps) => ({ budget: { steps } }),
  'evaluation.size': (size) => ({ evaluation: { size } }),
  replicas: (replicas) => ({ replicas }),
};

for (const [field, limit] of Object.entries(pageLimits) as [keyof typeof pageLimits, number][])
  test(`${field}: ${limit} is accepted, the next value is refused`, () => {
    assert.is(refusal({ ...firstSetting, ...at[field](limit) }), '');
    const message = refusal({ ...firstSetting, ...at[field](limit + 1) });
    assert.match(message, `this page allows at most ${limit};`);
    assert.match(message, field === 'tokens' ? 's^L' : field);
  });

test('root symbols count as vocabulary', () => {
  const n = { v: 4, n: 65, m: 2, s: 4, L: 2 };
  assert.match(refusal({ ...firstSetting, grammar: n }), /grammar.v: got 65, this page allows at most 64/);
});

test('an invalid setting is refused with a sentence', () => {
  const cases: [value: unknown, message: RegExp][] = [
    [null, /expected an object/],
    [[], /expected an object/],
    [{ ...firstSetting, colour: 1 }, /unknown field "colour"/],
    [{ ...firstSetting, networks: [] }, /1 to 3 networks/],
    [{ ...firstSetting, networks: Array(4).fill(firstSetting.networks[0]) }, /1 to 3 networks/],
    [{ ...firstSetting, networks: [null] }, /networks: each may have model/],
    [{ ...firstSetting, networks: [{ model: 'hcnn', rate: 1 }] }, /no other field/],
    [{ ...firstSetting, measures: ['toString'] }, /measures: got "toString"/],
    [{ ...firstSetting, looks: [{}, {}, {}, {}] }, /looks: expected a list/],
    [{ ...firstSetting, looks: [{ layer: 513 }] }, /looks.layer: got 513/],
    [{ ...firstSetting, looks: [{ layer: -3 }] }, /looks.layer: got -3/],
    [{ ...firstSetting, looks: [{ colour: 1 }] }, /looks: unknown field "colour"/],
    [{ ...firstSetting, task: { kind: 'class' } }, /this page shows 'last'/],
    [{ ...firstSetting, networks: [{ model: { kind: 'mla', channels: 30, heads: 4 } }] }, /channels|heads/],
  ];
  for (const [value, message] of cases) assert.match(refusal(value), message);
  for (const look of [{ layer: 512 }, { head: -2 }]) assert.is(refusal({ ...firstSetting, looks: [look] }), '');
});

test('damaged links are refused', () => {
  const link = (text: string) => `#setting=${Buffer.from(text).toString('base64url')}`;
  for (const hash of [
    '#setting=',
    '#setting=%',
    link('{'),
    link('{"a":1,"a":2}'),
    link(`${'['.repeat(500)}`),
    link('é').slice(0, -1),
  ])
    assert.throws(() => fromHash(hash), /link is damaged|expected an object/, hash);
  assert.throws(() => fromHash(`#setting=${'A'.repeat(8192)}`), /longer than 8192/);
});

test.run();
