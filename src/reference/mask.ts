import { clockWords } from '../core/clock.js';
import { maskOf } from '../core/masking.js';

/** Sentences clock + skip + row of one replica: from tokens [B, d] to visible tokens [B, d] and counts [B, T]; src/core/masking.ts. */
export function mask(
  { batch, sentence, length, firstToken, symbol, skip }: Record<string, number>,
  tokens: Uint32Array,
  law: Uint32Array,
  keys: Uint32Array,
  clock: Uint32Array,
  seen: Uint32Array,
  counts: Uint32Array,
): void {
  const start = clock[clockWords.sampleHigh] * 2 ** 32 + clock[clockWords.sampleLow] + skip;
  const hidden = new Uint8Array(length);
  seen.set(tokens);
  for (let b = 0; b < batch; b++) {
    const count = maskOf(law, [keys[0], keys[1]], start + b, hidden);
    for (let i = 0; i < length; i++) {
      counts[b * length + i] = hidden[i] ? count : 0;
      if (hidden[i]) seen[b * sentence + firstToken + i] = symbol;
    }
  }
}
