/** An analysis in which every figure of the report has something to draw. */
import { analyze } from '../../src/analysis/analyze.js';
import type { Analysis } from '../../src/analysis/results.js';
import { parseStored, storedText } from '../../src/analysis/stored.js';
import { withStored } from '../../src/analysis/summary.js';
import {
  syntheticClassStudy,
  syntheticContextStudy,
  syntheticHoldoutStudy,
  syntheticPowerLawStudy,
  syntheticWiringStudy,
} from './syntheticNeighbours.js';
import { syntheticParseStudy } from './syntheticParse.js';
import { syntheticRepresentationStudy } from './syntheticRepresentation.js';
import {
  lawPositions,
  syntheticDataRuns,
  syntheticDataStudy,
  syntheticMaskedStudy,
  syntheticProbeStudy,
  syntheticStudy,
} from './syntheticRuns.js';

/** steps: of the one-pass runs; few steps leave bounds and empty corners. */
export async function syntheticAnalysis({ grammars = 2, steps = 2 ** 15 } = {}): Promise<Analysis> {
  const shape = { v: 8, n: 8, m: 3, s: 2, L: 3 };
  const staircase = { positions: lawPositions(shape, 'hcnn', 5), width: 0.6 };
  const sizes = Array.from({ length: 40 }, (_, i) => Math.round(64 * 2 ** (i / 4)));
  const control = [0.5, 2].flatMap((rate) =>
    [10, 11].flatMap((grammarSeed) => {
      const overrides = { optimiser: { kind: 'sgd', rate } };
      return syntheticDataRuns({
        shape,
        staircase,
        sizes,
        grammarSeed,
        path: `rate-${rate}-${grammarSeed}`,
        overrides,
      });
    }),
  );
  const runs = [
    ...syntheticStudy({ measures: true, hlcn: true, grammars, steps, batches: [128] }),
    ...syntheticDataStudy({ grammars }),
    ...syntheticContextStudy({ grammars }),
    ...syntheticClassStudy({ grammars }),
    ...syntheticMaskedStudy({ grammars }),
    ...syntheticPowerLawStudy({ grammars, uniform: false }),
    ...syntheticWiringStudy({ grammars }),
    ...(await syntheticHoldoutStudy({ grammars })),
    ...syntheticProbeStudy({ grammars, prefactor: 100 }), // like the others of its series
    ...syntheticRepresentationStudy({ grammars, prefactor: 100 }),
    ...syntheticParseStudy({ grammars }),
  ];
  const measured = await analyze(runs, { control });
  return withStored(measured, parseStored(storedText(measured, 'another card, another day', 'rhm reproduce')));
}
