/** Run folders for the figures of related papers, made with known results. */
import { heldOutTheory } from '../../src/analysis/heldOutTheory.js';
import type { RunFiles } from '../../src/analysis/runs.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { heldSets } from '../../src/core/holdout.js';
import { formatRecord, type RunRecord } from '../../src/core/records.js';
import { resolveWeights, type Weights } from '../../src/core/rules.js';
import { zipfError } from '../../src/theory/index.js';
import { languageOf, rulesOf } from '../../src/training/members.js';
import { lawPositions, Normal, syntheticDataRuns } from './syntheticRuns.js';

const SEEN = [14, 35, 39]; // seeds of grammars whose steps can all be seen, v=8 m=2 s=2 L=4

/**
 * Windows of s^ell tokens for ell = 1 .. 3 on some grammars: steps at the law's P_ell times a prefactor, each curve falling to its H(ell).
 */
export function syntheticContextStudy({ grammars = 3, prefactor = 4, scatter = 0.1 } = {}): RunFiles[] {
  const random = new Normal(11);
  const shape = { v: 8, n: 8, m: 2, s: 2, L: 4 };
  const sizes = Array.from({ length: 40 }, (_, i) => Math.round(16 * 2 ** (i / 3)));
  return Array.from({ length: grammars }, (_, g) =>
    [1, 2, 3].flatMap((ell) =>
      syntheticDataRuns({
        shape,
        grammarSeed: SEEN[g],
        staircase: { positions: lawPositions(shape, 'mla', prefactor, scatter, random), width: 0.6 },
        sizes,
        path: `context/${2 ** ell}-g${g}`,
        overrides: {
          model: { kind: 'clm', channels: 32, heads: 4 },
          task: { kind: 'auto', context: 2 ** ell },
          evaluation: { size: 65536, validation: 32, positions: 'last' },
        },
      }),
    ),
  ).flat();
}

/** Classification whose error falls below a tenth at `prefactor` n m^L; lazy networks at five times that. */
export function syntheticClassStudy({ grammars = 3, prefactor = 2, scatter = 0.1, power = 1 } = {}): RunFiles[] {
  const random = new Normal(13);
  const sizes = Array.from({ length: 30 }, (_, i) => Math.round(32 * 2 ** (i / 3)));
  const networks = [
    { model: { kind: 'hcnn', width: 32 }, times: 1, shapes: [3, 4, 5, 6] },
    { model: { kind: 'fcn', width: 32, scaling: 'standard' }, times: 5, shapes: [3, 4] },
  ];
  return networks.flatMap(({ model, times, shapes }) =>
    shapes.flatMap((v) =>
      Array.from({ length: grammars }, (_, g) => {
        const shape = { v, n: v, m: v, s: 2, L: 3 };
        const P = times * prefactor * (v * v ** 3) ** power * Math.exp(scatter * random.next());
        return syntheticDataRuns({
          shape,
          grammarSeed: 1 + g,
          sizes,
          path: `class/${model.kind}-${v}-g${g}`,
          error: (x) => Math.min(1 - 1 / v, 0.1 * (P / x) ** 2),
          overrides: { task: 'class', model, evaluation: { size: 4096, validation: 32 } },
        });
      }).flat(),
    ),
  );
}

/**
 * Power-law rules at the last level. Classification: the error that m rules leave, at some scale of P. The last token: steps that
 * take longer than those of uniform rules, which `uniform` includes for comparison; `stretched`: factor by which the distance of
 * P_2 and P_3 grows.
 */
export function syntheticPowerLawStudy({
  grammars = 3,
  stretched = 1,
  scatter = 0.05,
  uniform = true,
} = {}): RunFiles[] {
  const random = new Normal(17);
  const classes = { v: 4, n: 4, m: 16, s: 3, L: 2 };
  const shape = { v: 8, n: 8, m: 3, s: 2, L: 3 };
  const rows = Array.from({ length: 36 }, (_, i) => Math.round(64 * 2 ** (i / 3)));
  const each = <T>(list: readonly T[], make: (item: T, grammarSeed: number) => RunFiles[]) =>
    list.flatMap((item) => Array.from({ length: grammars }, (_, g) => make(item, 10 + g)).flat());
  const errors = each([0.5, 1, 2], (a, grammarSeed) => {
    const weights = resolveWeights(classes, { ruleProbabilities: ['uniform', { zipf: a }] }).ruleProbabilities!;
    const scale = 100 * Math.exp(scatter * random.next());
    return syntheticDataRuns({
      shape: classes,
      grammarSeed,
      sizes: rows,
      path: `zipf/class-${a}-g${grammarSeed}`,
      weights,
      error: (P) => zipfError(weights[1]!, 3, 4, P / scale),
      overrides: { task: 'class', evaluation: { size: 2 ** 20, validation: 32 } },
    });
  });
  const steps = each(uniform ? [undefined, 0.5, 1, 2] : [0.5, 1, 2], (a, grammarSeed) => {
    const slower = a === undefined ? [0, 0, 0] : [0, 1, 1 + Math.log(stretched)];
    const positions = lawPositions(shape, 'hcnn', 4, scatter, random).map((x, i) => x + slower[i]);
    const last = { ruleProbabilities: ['uniform', 'uniform', { zipf: a! }] as Weights[] };
    return syntheticDataRuns({
      shape,
      grammarSeed,
      sizes: rows,
      path: `zipf/last-${a}-g${grammarSeed}`,
      weights: a === undefined ? undefined : resolveWeights(shape, last).ruleProbabilities,
      staircase: { positions, width: 0.8 },
      overrides: { evaluation: { size: 65536, validation: 32 } },
    });
  });
  return [...errors, ...steps];
}

/**
 * Positions in an unknown order: hcnn along the true and the found tree, in the order shown (`slower` times as many sentences),
 * and mla.
 */
export function syntheticWiringStudy({ grammars = 3, found = 1, slower = 4, scatter = 0.05 } = {}): RunFiles[] {
  const random = new Normal(19);
  const shape = { v: 8, n: 8, m: 2, s: 2, L: 4 };
  const sizes = Array.from({ length: 40 }, (_, i) => Math.round(16 * 2 ** (i / 3)));
  const networks = [
    { model: { kind: 'hcnn', width: 64, wiring: 'true' }, times: 1 },
    { model: { kind: 'hcnn', width: 64, wiring: 'learned' }, times: found },
    { model: { kind: 'hcnn', width: 64 }, times: slower },
    { model: { kind: 'mla', channels: 32, heads: 4 }, times: 2 },
  ] as const;
  return networks.flatMap(({ model, times }, i) =>
    Array.from({ length: grammars }, (_, g) => {
      const positions = lawPositions(shape, 'hcnn', 2 * times, scatter, random);
      return syntheticDataRuns({
        shape,
        grammarSeed: SEEN[g],
        sizes,
        staircase: { positions, width: 0.6 },
        path: `wiring/${i}-g${g}`,
        shuffle: 1,
        overrides: { model, evaluation: { size: 65536, validation: 32 } },
      });
    }).flat(),
  );
}

/**
 * Held-out pairs: networks whose accuracy at their best step is a fraction `share(kind, P)` of the way from the surface's to the
 * grammar's.
 */
export async function syntheticHoldoutStudy({
  grammars = 2,
  share = (kind: 'hcnn' | 'mla', P: number) => (kind === 'hcnn' ? 0.75 : 64 / P),
} = {}): Promise<RunFiles[]> {
  const runs: RunFiles[] = [];
  for (let g = 0; g < grammars; g++) {
    const grammar = { v: 8, m: 3, s: 2, L: 3, seed: 10 + g, holdout: { level: 3, fraction: 0.34 } };
    const plain = parseExperiment({ grammar });
    const rules = rulesOf(plain);
    const { sets } = await heldOutTheory(languageOf(plain, rules, 'without'), 4096, 10 + g);
    for (const kind of ['hcnn', 'mla'] as const)
      for (const P of [128, 256, 512]) {
        const experiment = parseExperiment({
          model: kind,
          grammar,
          budget: { batch: 32, sentences: P, steps: 1000, patience: 2 },
          evaluation: { size: 64, validation: 32 },
          measures: ['holdout'],
          seed: 10 + g,
        });
        const records: RunRecord[] = [];
        // After the best step, where the validation loss is lowest, everything is worse.
        for (const [step, worse] of [
          [100, 0],
          [200, 0.25],
        ]) {
          const at = { replica: 0, step, samples: 32 * step };
          records.push({ type: 'eval', ...at, loss: 0.4 + worse, accuracy: 0.5, elapsed_ms: step });
          for (const [i, set] of heldSets.entries()) {
            const { grammar, surface } = sets[i];
            const accuracy = surface.accuracy + share(kind, P) * (grammar.accuracy - surface.accuracy) - worse;
            const put = (name: string, value: number, level?: number) =>
              records.push({ type: 'measure', ...at, name: `${name}-${set}`, ...(level && { level }), value });
            put('loss', 0.4 + i + worse);
            put('accuracy', accuracy);
            put('from-grammar', 0.2);
            put('from-surface', 0.3);
            for (const level of [1, 2, 3]) put('grammatical', 1 - level / 10, level);
          }
        }
        const test = { validation: 0.4, loss: 0.4, accuracy: 0.5 };
        records.push({ type: 'test', replica: 0, step: 100, samples: 3200, ...test } as RunRecord);
        records.push({ type: 'end', reason: 'done' });
        runs.push({
          path: `holdout/${kind}-${P}-g${g}`,
          experiment: JSON.stringify(experiment),
          rules: JSON.stringify(rules),
          records: records.map(formatRecord).join(''),
        });
      }
  }
  return runs;
}
