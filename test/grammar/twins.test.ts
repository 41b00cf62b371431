import { suite } from 'uvu';
import { openNodeGpu } from '../../src/platform/node.js';
import { assertTwins } from './assertTwins.js';
import { twins } from './fixtures/twins.js';

const test = suite('one sampler, three languages: Node (Dawn)');

test('the same bits on 10^5 keys and counters, the same tokens on 20 grammars x 10^4 sentences', async () => {
  const session = await openNodeGpu();
  try {
    assertTwins(await twins(session), /^node/);
  } finally {
    await session.release();
  }
});

test.run();
