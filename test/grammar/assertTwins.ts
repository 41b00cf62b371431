import * as assert from 'uvu/assert';
import type { Twins } from './fixtures/twins.js';

export function assertTwins(outcome: Twins, runtime: RegExp): void {
  assert.match(outcome.runtime, runtime);
  assert.is(outcome.pairs, 100_000);
  assert.is(outcome.threefryDifferences, 0);
  assert.is(outcome.grammars.length, 26, 'twenty grammars, and six languages with held-out pairs or without');
  outcome.grammars.forEach(({ sentences, differences }, i) => {
    assert.is(sentences, 10_000);
    assert.is(differences, 0, `grammar ${i}`);
  });
  assert.is(outcome.replicaDifferences, 0);
  assert.is(outcome.referenceDifferences, 0);
}
