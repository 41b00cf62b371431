import { type Curve, hasLaw } from '../curves.js';
import type { Look } from './theme.js';

export const seriesLegend = (items: readonly { series: string }[], looks: ReadonlyMap<string, Look>) =>
  [...looks.values()].filter((look) => items.some((i) => i.series === look.label));

export function bySize([a]: readonly { shape: Curve['shape'] }[], [b]: readonly { shape: Curve['shape'] }[]): number {
  return (
    a.shape.v - b.shape.v ||
    a.shape.m - b.shape.m ||
    a.shape.L - b.shape.L ||
    Number(hasLaw(a.shape)) - Number(hasLaw(b.shape))
  );
}
