import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { canonicalJson, contentHash, digestOf } from '../../src/core/canonical.js';

/** The names of runs. */
const test = suite('canonical JSON and digests');

const abc = new TextEncoder().encode('abc');
const million = new Uint8Array(1_000_000).fill('a'.charCodeAt(0));

/** Calls `work` as on a page over plain http, where browsers hide crypto.subtle. */
async function onInsecurePage<T>(work: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'crypto')!;
  Object.defineProperty(globalThis, 'crypto', { configurable: true, value: { getRandomValues: () => {} } });
  try {
    return await work();
  } finally {
    Object.defineProperty(globalThis, 'crypto', before);
  }
}

test('SHA-256 of the examples of FIPS 180-2, on secure pages and elsewhere', async () => {
  for (const [bytes, want] of [
    [abc, 'ba7816bf8f01cfea'],
    [million, 'cdc76e5c9914fb92'],
  ] as const) {
    assert.is(await digestOf(bytes), want);
    assert.is(await onInsecurePage(() => digestOf(bytes)), want);
  }
});

test('equal values have equal text and hash, in any order of their fields', async () => {
  const [one, other] = [
    { b: [1, { y: null, x: 'é' }], a: undefined, c: 2 },
    { c: 2, b: [1, { x: 'é', y: null }] },
  ];
  assert.is(canonicalJson(one), '{"b":[1,{"x":"é","y":null}],"c":2}');
  assert.is(await contentHash(one), await contentHash(other));
});

test.run();
