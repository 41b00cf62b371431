import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import {
  checkHash,
  checkTree,
  decodeText,
  isHash,
  isRunFile,
  parseJson,
  printable,
  printableJson,
  printableLine,
} from '../../src/core/outside.js';

const test = suite('what comes from elsewhere');
const bytes = (text: string) => new TextEncoder().encode(text);
const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    assert.instance(error, InputError);
    return (error as Error).message;
  }
  return '';
};

test('only 16 hexadecimal digits are a run, only known names its files', () => {
  assert.ok(isHash('0123456789abcdef'));
  for (const name of [
    '../../x',
    '0123456789abcdeF',
    '0123456789abcde',
    '0123456789abcdef0',
    '0123456789abcdef\n',
    '0123456789abcde/',
    '',
    '..',
    '__proto__',
    1234567890123456,
    null,
    ['0123456789abcdef'],
  ]) {
    assert.not(isHash(name), String(name));
    assert.match(
      refusal(() => checkHash(name)),
      /^hash: got .*; the name of a run has 16 hexadecimal digits$/,
    );
  }
  assert.ok(isRunFile('records.jsonl'));
  for (const name of ['../records.jsonl', 'records.jsonl/', 'toString', '__proto__', 'RECORDS.JSONL', 'run.lock', 3])
    assert.not(isRunFile(name), String(name));
});

test('JSON: a duplicate key, __proto__, too deep, too large, not JSON: refused with the place', () => {
  const cases: [text: string, message: RegExp][] = [
    ['{"a": 1, "a": 2}', /^x: the field "a" occurs twice; keep one$/],
    ['{"a": {"b": 1, "c": [{"d": 1}], "b": 2}}', /^x: the field "b" occurs twice/],
    ['{"a": 1, "\\u0061": 2}', /^x: the field "a" occurs twice/],
    ['{"a": {"__proto__": {"m": 3}}}', /^x: a field is named __proto__/],
    ['{"__pro\\u0074o__": 1}', /^x: a field is named __proto__/],
    [`${'['.repeat(10_000)}${']'.repeat(10_000)}`, /^x: lists and objects are nested deeper than 64 levels/],
    [`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, /deeper than 64/],
    ['{"a": 1', /^x: not JSON/],
    ['', /^x: not JSON/],
    ['\u001b[31m', /^x: not JSON \(\P{Cc}*\)$/u],
    ['"unfinished \\', /^x: not JSON/],
  ];
  for (const [text, message] of cases)
    assert.match(
      refusal(() => parseJson(text, 'x')),
      message,
      text.slice(0, 60),
    );
  assert.match(
    refusal(() => parseJson('[1,2,3,4]', 'x', { bytes: 8 })),
    /^x: 9 characters, 8 at most/,
  );
  assert.match(
    refusal(() => parseJson(bytes('[1,2,3,4]'), 'x', { bytes: 8 })),
    /^x: 9 bytes, 8 at most/,
  );
});

test('JSON: the same key in different objects, quotes and braces in texts, a byte-order mark are fine', () => {
  const value = { a: [{ a: 1 }, { a: '{"a":1,"a":2}' }], b: { a: '\\"', 'a,': ']}[{' }, '': null, constructor: 1 };
  assert.equal(parseJson(JSON.stringify(value), 'x'), value);
  assert.equal(parseJson(bytes(`\ufeff${JSON.stringify(value)}\r\n`), 'x'), value);
  assert.equal(parseJson(`\ufeff[1]`, 'x'), [1]);
});

test('text in another encoding is named as such', () => {
  const utf16 = (text: string) => new Uint8Array(new Uint16Array([...text].map((c) => c.charCodeAt(0))).buffer);
  assert.match(
    refusal(() => decodeText(utf16('\ufeff{"a":1}'), 'x')),
    /^x: the text is UTF-16; save it as UTF-8$/,
  );
  assert.match(
    refusal(() => decodeText(utf16('{"a":1}'), 'x')),
    /UTF-16/,
  );
  assert.match(
    refusal(() => decodeText(new Uint8Array([0x7b, 0xe4, 0x22]), 'x')),
    /^x: the text is not UTF-8/,
  );
  assert.is(decodeText(bytes('\ufeffä'), 'x'), 'ä');
});

test('values of other formats: a circular one, __proto__, too many', () => {
  const self: unknown[] = [];
  self.push(self);
  assert.match(
    refusal(() => checkTree(self, 'x')),
    /contain themselves/,
  );
  const proto = Object.defineProperty({}, '__proto__', { value: { m: 1 }, enumerable: true });
  assert.match(
    refusal(() => checkTree({ a: [proto] }, 'x')),
    /^x: a field is named __proto__/,
  );
  // Each list contains the previous one ten times: ten to the tenth values.
  let laughs: unknown[] = [1];
  for (let i = 0; i < 10; i++) laughs = Array(10).fill(laughs);
  assert.match(
    refusal(() => checkTree(laughs, 'x', { nodes: 100_000 })),
    /more than 100000 values/,
  );
  checkTree({ a: [1, { b: null }] }, 'x');
});

test('control characters, marks of direction and lone surrogates are shown as text', () => {
  const hostile = 'a\u001b[2J\u009b31m\u0007\u202eb\r\u0000\u2028\ud800 ü 😀\tc\nd';
  const shown = printable(hostile);
  assert.is(shown, 'a\\x1b[2J\\x9b31m\\x07\\u202eb\\r\\x00\\u2028\\ud800 ü 😀\tc\nd');
  assert.is(printableLine('a\n b\u001b'), 'a b\\x1b');
  assert.is(printableLine('x'.repeat(300), 10), 'xxxxxxx...');
  const json = printableJson({ name: hostile });
  assert.not.match(json, /[\p{Cc}\p{Cf}\p{Zl}]/u);
  assert.equal(JSON.parse(json), { name: hostile });
});

test.run();
