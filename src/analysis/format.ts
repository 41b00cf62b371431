import type { Estimate } from './statistics.js';

/** Three significant digits, as a number. */
export const round = (x: number) => Number(x.toPrecision(3));

/** A number as shown in text: 12k, 3.4M, 0.0123, -. */
export function showNumber(x: number | undefined): string {
  if (x === undefined || Number.isNaN(x)) return '-';
  if (!Number.isFinite(x)) return x > 0 ? '∞' : '-∞';
  const size = Math.abs(x);
  for (const [limit, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ] as const)
    if (size >= limit) return `${Number((x / (unit === 'k' ? 1e3 : limit)).toPrecision(3))}${unit}`;
  if (size >= 100) return String(Math.round(x));
  return size !== 0 && size < 1e-3 ? Number(x.toPrecision(2)).toExponential() : String(Number(x.toPrecision(3)));
}

/** `2.1 [1.8, 2.5]`, `≥ 33k`, `2.1` without an interval. */
export function showEstimate(e: Estimate): string {
  if (e.bound === 'lower') return `≥ ${showNumber(e.value)}`;
  if (e.bound === 'upper') return `≤ ${showNumber(e.value)}`;
  if (e.bound === 'unknown') return 'unknown';
  return Number.isNaN(e.low) ? showNumber(e.value) : `${showNumber(e.value)} ${showInterval(e)}`;
}

const UNKNOWN_POWER = 5; // an interval of a power of m wider than this is not informative

/** Whether an interval of a power of m is too wide to be informative. */
export const isTooWide = (e: Estimate): boolean => e.bound === 'none' && e.high - e.low > UNKNOWN_POWER;

/** A power of m: `m^2.1 [1.8, 2.5]`, `m^(≥ 1.4)`; `not measurable` if the interval is too wide to be informative. */
export function showPower(e: Estimate): string {
  if (e.bound === 'unknown' || isTooWide(e)) return 'not measurable';
  return e.bound === 'none' ? `m^${showEstimate(e)}` : `m^(${showEstimate(e)})`;
}

/** The interval as `[low, high]`; empty without one. */
export function showInterval({ low, high, bound }: Estimate): string {
  if (bound === 'unknown' || (Number.isNaN(low) && Number.isNaN(high))) return '';
  return `[${showNumber(low)}, ${showNumber(high)}]`;
}
