/** Positions in an unknown order: networks wired along the true tree, the found one, a wrong one, or none. */
import { modelOrder } from '../core/modelFacts.js';
import { type Curve, type ModelKind, shapeName } from './curves.js';
import { groupBy, positionsOf, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Estimate, exponential, flip, joinBounds, linearStatistic } from './statistics.js';

/** One step of one network on the grammars of one size. */
export interface WiringRow {
  network: string; // `hcnn, found tree`
  kind: ModelKind;
  shape: Curve['shape'];
  ell: number;
  P: Estimate;
  /** Over that of the CNN along the true tree, grammar by grammar; absent for that CNN. */
  ratio: Estimate | undefined;
  /** 1 for the CNN along the found tree: once the tree is found, it is the same network. */
  predicted: number | undefined;
}

const words: Readonly<Record<string, string>> = { true: 'true tree', learned: 'found tree' };
export const BASE = 'hcnn, true tree';
const FOUND = 'hcnn, found tree';

export const wiredName = ({ kind, wiring }: Pick<Curve, 'kind' | 'wiring'>): string =>
  `${kind}, ${words[wiring ?? ''] ?? 'as shown'}`;

const ways = ['true', 'learned', undefined];

/** Networks that know the tree first, then by model. */
export const byWiring = (curves: readonly Curve[]): Curve[] =>
  [...curves].sort(
    (a, b) => ways.indexOf(a.wiring) - ways.indexOf(b.wiring) || modelOrder(a.kind) - modelOrder(b.kind),
  );

export function wiringTable(curves: readonly Curve[]): WiringRow[] {
  const steps = byWiring(curves).flatMap((curve) =>
    positionsOf(curve).map(({ ell, logSamples, bound }) => {
      const { kind, shape, grammar } = curve;
      return { network: wiredName(curve), kind, shape, ell, grammar, value: logSamples, bound };
    }),
  );
  const over = (units: readonly UnitOfGrammar[]) => exponential(linearStatistic([unitsOf(units)], [1]));
  return groupBy(steps, (s) => `${s.network}|${shapeName(s.shape)}|${s.ell}`).map((group): WiringRow => {
    const [{ network, kind, shape, ell }] = group;
    const ratios = group.flatMap((own): UnitOfGrammar[] => {
      const base = steps.find((s) => s.network === BASE && s.grammar === own.grammar && s.ell === ell);
      if (!base || network === BASE) return [];
      return [{ grammar: own.grammar, value: own.value - base.value, bound: joinBounds(own.bound, flip(base.bound)) }];
    });
    // Steps that were not searched for may be bounds on either side.
    const ratio = ratios.length ? over(ratios) : undefined;
    return {
      ...{ network, kind, shape, ell },
      P: over(group),
      ratio: ratio?.bound === 'unknown' ? undefined : ratio,
      predicted: network === FOUND ? 1 : undefined,
    };
  });
}
