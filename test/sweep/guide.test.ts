/** Searches that begin near the predictions from other curves: with a known law, counting the runs. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatRecord } from '../../src/core/records.js';
import { makeRules } from '../../src/core/rules.js';
import { streamKey } from '../../src/core/threefry.js';
import { UniformStream } from '../../src/core/uniform.js';
import type { SweepRun } from '../../src/sweep/grid.js';
import { guideFor } from '../../src/sweep/guide.js';
import { type Found, type Guide, runSearches, type Search } from '../../src/sweep/search.js';
import { nextProbes } from '../../src/theory/crossing.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { rulesOf } from '../../src/training/members.js';
import { lawPositions, staircaseLoss } from '../support/syntheticRuns.js';

const test = suite('searches that begin near what other curves predict');

const shapeOf = (m: number) => ({ v: 8, n: 8, m, s: 2, L: 4 });

/** Grammars with steps 1 and 2 apart, four of each size. */
const grammars = [3, 4, 5].flatMap((m) => {
  const found: { m: number; seed: number }[] = [];
  for (let seed = 1; found.length < 4; seed++) {
    const { H } = lossPlateaus(makeRules(shapeOf(m), seed));
    if (H[2] - H[3] > 0.1 && H[4] > 0.01) found.push({ m, seed });
  }
  return found;
});

const searches = grammars.map(
  ({ m, seed }): Search => ({
    name: `m=${m} seed=${seed}`,
    steps: [1, 2],
    from: 32,
    to: 2 ** 18,
    within: 1.5,
    most: 28,
    at: (P) => ({
      grammar: { ...shapeOf(m), seed },
      budget: { batch: 32, sentences: P, steps: 1000, patience: 2 },
      evaluation: { size: 64, validation: 32 },
    }),
  }),
);

/** ln P_ell of a grammar: ten times the law, scattered by up to a factor of 1.5 either way. */
function planted(m: number, seed: number): number[] {
  const random = new UniformStream(streamKey(seed, 'measure', m));
  return lawPositions(shapeOf(m), 'hcnn', 10).map((x) => x + Math.log(1.5) * (2 * (random.word() / 2 ** 32) - 1));
}

/** Trains by formula and counts the runs. most: runs until it is interrupted. */
class Trained {
  readonly runs = new Map<string, string>();

  train(runs: readonly SweepRun[], most = Infinity): boolean {
    let left = most;
    for (const { hash, experiment } of runs) {
      if (this.runs.has(hash)) continue;
      if (left-- <= 0) return false;
      const { grammar, budget } = experiment;
      const { H } = lossPlateaus(rulesOf(experiment));
      const positions = planted(grammar.m, grammar.seed!);
      const loss = staircaseLoss(H, { positions, width: 0.8 }, Math.log(budget.sentences!));
      const test = {
        type: 'test',
        replica: 0,
        step: 300,
        samples: 9600,
        loss,
        accuracy: 0.5,
        validation: loss,
      } as const;
      const records = [{ ...test, exact: H[4] }, { type: 'end', replica: 0, reason: 'done' } as const];
      this.runs.set(hash, records.map(formatRecord).join(''));
    }
    return true;
  }

  hooks = (guide?: Guide, most?: number) => ({
    guide,
    train: async (runs: readonly SweepRun[]) => this.train(runs, most),
    records: (run: SweepRun) => this.runs.get(run.hash),
  });
}

/** Every planted P_ell is found. @returns mean length of the intervals, ln P */
function assertFound(found: readonly Found[]): number {
  const lengths = found.flatMap(({ crossings, search }, i) => {
    const positions = planted(grammars[i].m, grammars[i].seed);
    return search.steps.map((ell) => {
      const { bound, value, low, high } = crossings.get(ell)!;
      assert.is(bound, 'none', `${search.name}: P_${ell}`);
      // The estimate is smooth where the planted curve has corners.
      assert.ok(Math.abs(value - positions[ell - 1]) < 0.3, `${search.name}: P_${ell} = ${Math.exp(value)}`);
      return high - low;
    });
  });
  return lengths.reduce((a, b) => a + b, 0) / lengths.length;
}

test('the same P_ell from fewer runs: some curves begin, the others where those predict', async () => {
  const plain = new Trained();
  const plainLength = assertFound(await runSearches(searches, plain.hooks()));
  const guided = new Trained();
  const found = await runSearches(searches, guided.hooks(guideFor(searches)));
  const length = assertFound(found);
  console.log(`${guided.runs.size} runs for ${plain.runs.size}, intervals ${length} for ${plainLength}`);
  assert.ok(length < 1.1 * plainLength, `${length} for ${plainLength}`);
  assert.ok(guided.runs.size < 0.9 * plain.runs.size, `${guided.runs.size} runs for ${plain.runs.size}`);
  const coarse = found.filter(({ points }) => points[0].sentences === 32).length;
  assert.ok(coarse >= 6 && coarse < searches.length, `${coarse} of ${searches.length} began by a coarse look`);
});

test('an interrupted search goes through the same rounds, and trains nothing twice', async () => {
  const whole = new Trained();
  const expected = await runSearches(searches, whole.hooks(guideFor(searches)));
  const parts = new Trained();
  let found = expected;
  for (let call = 0; call < 8; call++) found = await runSearches(searches, parts.hooks(guideFor(searches), 23));
  assert.equal([...parts.runs.keys()].sort(), [...whole.runs.keys()].sort());
  assert.equal(
    found.map(({ points }) => points),
    expected.map(({ points }) => points),
  );
});

test('few curves all begin at once; if nothing can be predicted the others start with a coarse row', async () => {
  const few = searches.slice(0, 4);
  const asked = await roundsOf(few, guideFor(few));
  const plain = await roundsOf(few);
  assert.equal(asked, plain);
  // Grammars without a law: f = 1.
  const dense = searches.map((search) => ({
    ...search,
    steps: [1],
    at: (P: number) => {
      const { grammar, ...rest } = search.at(P) as { grammar: object };
      return { ...rest, grammar: { ...grammar, m: 8 } };
    },
  }));
  const found = await runSearches(dense, {
    ...new Trained().hooks(guideFor(dense)),
    train: async () => true,
    records: () => undefined,
  });
  assert.is(found.length, dense.length); // it ends, and nothing waits forever
});

async function roundsOf(some: readonly Search[], guide?: Guide): Promise<string[][]> {
  const rounds: string[][] = [];
  const trained = new Trained();
  await runSearches(some, {
    ...trained.hooks(guide),
    train: async (runs) => {
      rounds.push(runs.map(({ name }) => name));
      return trained.train(runs);
    },
  });
  return rounds;
}

test('a search that began too high goes down', () => {
  const options = { from: 3, to: 12, within: 0.2, stride: 2, together: 2, most: 20 };
  const at = (x: number) => ({ x, y: -x });
  assert.equal(nextProbes([at(8), at(9)], [-5], options), [6]); // all below the level
  assert.equal(nextProbes([at(4), at(9)], [-3.5], options), [3]);
  assert.equal(nextProbes([at(3), at(9)], [-2], options), []); // there is nothing further down
});

test.run();
