import * as assert from 'uvu/assert';
import { isFixed, MASK, type MaskLaw, maskOf, maskWords } from '../../src/core/masking.js';
import { streamKey } from '../../src/core/threefry.js';
import { mask } from '../../src/kernels/mask.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(mask);

/** How often each set of places is masked, by its bits. */
function masks(law: MaskLaw, count: number): Map<number, number> {
  const found = new Map<number, number>();
  const out = new Uint8Array(law.places.length);
  const words = maskWords(law);
  for (let i = 0; i < count; i++) {
    const n = maskOf(words, streamKey(3, 'mask'), i, out);
    const bits = out.reduce((sum, bit, place) => sum + bit * 2 ** place, 0);
    assert.is(n, out.filter(Boolean).length);
    found.set(bits, (found.get(bits) ?? 0) + 1);
  }
  return found;
}

const anywhere = (T: number) => new Array<boolean>(T).fill(true);

test('every set of a size is as frequent as any other, and so is every size', () => {
  const N = 40_000;
  const triples = masks({ least: 3, most: 3, places: anywhere(6) }, N);
  assert.is(triples.size, 20); // 6 over 3
  let chi = 0;
  for (const times of triples.values()) chi += (times - N / 20) ** 2 / (N / 20);
  assert.ok(chi < 43.8, `chi^2 ${chi}`); // 19 degrees of freedom, p = 0.001
  const sizes = new Float64Array(6);
  for (const [bits, times] of masks({ least: 1, most: 5, places: anywhere(5) }, N))
    sizes[bits.toString(2).replaceAll('0', '').length] += times;
  for (let n = 1; n <= 5; n++) assert.ok(Math.abs(sizes[n] - N / 5) < 5 * Math.sqrt(N * 0.16), `${sizes[n]} of ${n}`);
});

test('places that are not to be masked never are; fixed places always', () => {
  const law = { least: 2, most: 2, places: [false, true, true, false, true] };
  for (const bits of masks(law, 500).keys()) assert.is(bits & 0b01001, 0);
  const fixed = { least: 2, most: 2, places: [false, true, false, false, true] };
  assert.equal([...masks(fixed, 100)], [[0b10010, 100]]);
  assert.ok(isFixed(fixed) && !isFixed(law));
});

test('input that does not fit is refused', () => {
  const refused = (sentence: number, length: number, lawWords: number) =>
    refusal((plan) => {
      const p = plan.program;
      mask(plan, {
        ...{ label: 'train', symbol: 4, firstToken: 2 },
        tokens: p.persistent('tokens', [3, sentence], 'u32'),
        law: p.persistent('law', [lawWords], 'u32'),
        keys: p.persistent('keys', [2], 'u32'),
        clock: p.persistent('clock', [8], 'u32'),
        seen: p.persistent('seen', [3, sentence], 'u32'),
        counts: p.persistent('counts', [3, length], 'u32'),
      });
    });
  assert.match(refused(7, 6, 6 + MASK.places), /mask \(train\): tokens 2 to 8 of rows of 7/);
  assert.match(refused(8, 6, 5), /law is \[2,5\]; pass \[R, 8\]/);
});

test.run();
