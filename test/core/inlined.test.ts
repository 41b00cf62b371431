import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import moduleBytes from '../../build/wasm/module.wasm';
import patch from '../../build/wasm/relaxed.patch';
// @ts-expect-error: a script of the build, which has no declarations
import * as scripts from '../../src/build/inlined.mjs';
import { applyPatch, unpackBytes } from '../../src/core/inlined.js';

const { makePatch, packBytes } = scripts as {
  makePatch(from: Buffer, to: Buffer): Uint8Array;
  packBytes(bytes: Buffer): string;
};
const test = suite('inlined bytes');

/** Bytes of few and of many values, of no length and of long ones, the same in every run. */
function* cases(): Generator<Buffer> {
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (const length of [0, 1, 7, 300, 5000])
    for (const values of [1, 2, 90, 256]) yield Buffer.from(Array.from({ length }, () => random(values)));
}

test('packed bytes come back, and their text needs no escape in a string, a template or a page', () => {
  for (const bytes of cases()) {
    const text = packBytes(bytes);
    assert.equal([...unpackBytes(text)], [...bytes]);
    assert.match(text, /^[ -~]*$/);
    assert.not.match(text, /["'`\\$<]/);
  }
});

test('a patch turns one sequence of bytes into another: equal, shifted, in another order, with nothing in common', () => {
  for (const bytes of cases()) {
    const third = Math.floor(bytes.length / 3);
    const others = [
      bytes,
      Buffer.alloc(0),
      Buffer.concat([Buffer.from([1, 2, 3]), bytes]),
      Buffer.concat([bytes.subarray(2 * third), bytes.subarray(0, third), Buffer.from([9]), bytes.subarray(third)]),
      Buffer.from(bytes.map((byte) => 255 - byte)),
    ];
    for (const to of others) assert.equal([...applyPatch(bytes, makePatch(bytes, to))], [...to]);
  }
});

test('the two WebAssembly modules, of which the second is a patch of a seventh of its size', () => {
  const [plain, relaxed] = ['module', 'relaxed'].map((name) => readFileSync(`build/wasm/${name}.wasm`));
  assert.ok(Buffer.from(moduleBytes).equals(plain));
  assert.ok(Buffer.from(applyPatch(moduleBytes, patch)).equals(relaxed));
  assert.ok(patch.length <= relaxed.length / 7, `${patch.length} of ${relaxed.length}`);
});

test.run();
