/** Runs on P sentences that predict every hidden symbol and parse more sentences at larger P. */
import type { RunFiles } from '../../src/analysis/runs.js';
import { formatRecord } from '../../src/core/records.js';
import { syntheticRun } from './syntheticRuns.js';

/** P at which half of the sentences are parsed correctly, by way; twice as many for the second grammar. */
export const halves = { parsed: 400, logic: 300, 'parsed-consistent': 60, both: 50 };

/** Learning rates: the first is best for labels alone, the second for logic; at the other rate half as many sentences are right. */
export const rates = [8, 2];

/** Fractions rise linearly in ln P, by a quarter per factor of e. */
export function syntheticParseStudy({ grammars = 2, kinds = ['hcnn', 'fcn'] as const } = {}): RunFiles[] {
  const shape = { v: 8, n: 8, m: 3, s: 2, L: 3 };
  return kinds.flatMap((kind) =>
    Array.from({ length: grammars }, (_, g) =>
      [false, true].flatMap((logic) =>
        rates.flatMap((rate) =>
          Array.from({ length: 9 }, (_, i) => {
            const sentences = 8 * 2 ** i;
            const run = syntheticRun({
              ...{
                path: `parse/${kind}-${logic}-${g}-${rate}-${sentences}`,
                shape,
                grammarSeed: 10 + g,
                noise: 0.001,
                seed: g,
              },
              staircases: [{ positions: [5, 6, 7], width: 0.6 }],
              ...{ batch: 8, steps: 64 },
              overrides: {
                optimiser: { kind: 'sgd', rate },
                ...{ model: { kind, width: 64 }, measures: ['parsing'], budget: { batch: 8, steps: 64, sentences } },
                task: { kind: 'parse', ...(logic && { logic: { parent: 1 } }) },
              },
            });
            const measured = (['parsed', 'parsed-consistent'] as const).flatMap((name) => {
              const half = logic ? (name === 'parsed' ? halves.logic : halves.both) : halves[name];
              const part = rate === rates[Number(logic)] ? 1 : 0.5;
              const right = part * Math.min(1, Math.max(0, 0.5 + Math.log(sentences / (half * 2 ** g)) / 4));
              const at = { type: 'measure', replica: 0, step: 64, samples: 512, name } as const;
              // Also for the levels, which are not tested here.
              return [formatRecord({ ...at, value: right }), formatRecord({ ...at, level: 1, value: 0.9 })];
            });
            const lines = run.records!.split(/(?<=\n)/);
            const end = lines.findLastIndex((line) => JSON.parse(line).type === 'end');
            return { ...run, records: [...lines.slice(0, end), ...measured, ...lines.slice(end)].join('') };
          }),
        ),
      ),
    ).flat(),
  );
}
