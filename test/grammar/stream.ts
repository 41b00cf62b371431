import type { Source } from '../../src/core/sampleSource.js';
import { streamKey } from '../../src/core/threefry.js';

/** Endless fresh sentences, as a run with this seed is trained on. */
export const stream = (seed: number): Source => ({
  mode: 'stream',
  key: streamKey(seed, 'data'),
  size: 0n,
  first: 0,
  length: 0,
});
