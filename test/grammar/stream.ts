import type { Source } from '../../src/core/sampleSource.js';
import { streamKey } from '../../src/core/threefry.js';

/** Fresh sentences without end, those that a run of this seed is trained on. */
export const stream = (seed: number): Source => ({
  mode: 'stream',
  key: streamKey(seed, 'data'),
  size: 0n,
  first: 0,
  length: 0,
});
