/** Runs of one pass whose hidden layers were measured in four ways. */
import type { RunFiles } from '../../src/analysis/runs.js';
import { formatRecord } from '../../src/core/records.js';
import { lawPositions, syntheticRun } from './syntheticRuns.js';

/** By how many widths each measure passes its middle later than the loss, in the layer of the level; half a width more per layer above. */
export const lateness = { invariance: 0, readout: -1, gdv: 0.5, alignment: 1 } as const;
export const WIDTH = 0.6; // of a step, in ln P

/** Measures rise from 0.1 to 0.9 in straight lines of ln P, four widths long; below the layer of the level they stay at 0.1. */
export function syntheticRepresentationStudy({
  ms = [2, 3],
  grammars = 2,
  steps = 2 ** 13,
  prefactor = 20,
} = {}): RunFiles[] {
  return ms.flatMap((m) =>
    Array.from({ length: grammars }, (_, g) => {
      const shape = { v: 8, n: 8, m, s: 2, L: 3 };
      const positions = lawPositions(shape, 'hcnn', prefactor);
      const run = syntheticRun({
        ...{ path: `representation/hcnn-m${m}-g${g}`, shape, grammarSeed: 10 + g, noise: 0.001, steps, seed: g },
        staircases: [{ positions, width: WIDTH }],
        overrides: { measures: [...Object.keys(lateness)], model: { kind: 'hcnn', width: 64 } },
      });
      const records = (run.records as string).split(/(?<=\n)/).flatMap((line) => {
        const { type, step, samples } = JSON.parse(line);
        if (type !== 'eval') return [line];
        const more = [1, 2, 3].flatMap((layer) =>
          [1, 2].flatMap((level) =>
            Object.entries(lateness).map(([name, late]) => {
              const at = (Math.log(samples) - positions[level]) / WIDTH - late - (layer - level) / 2;
              const value = layer < level ? 0.1 : Math.min(0.9, Math.max(0.1, 0.5 + 0.2 * at));
              const shown = name === 'invariance' ? 1 - value : name === 'gdv' ? -value : value;
              return formatRecord({ type: 'measure', replica: 0, step, samples, name, layer, level, value: shown });
            }),
          ),
        );
        return [line, ...more];
      });
      return { ...run, records: records.join('') };
    }),
  );
}
