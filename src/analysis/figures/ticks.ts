/** Ticks of a logarithmic axis: decades, with numbers between them when they are few. None if the ends are not positive. */
export function logTicks([low, high]: readonly [number, number]): number[] {
  if (!(low > 0 && high >= low && high < Number.POSITIVE_INFINITY)) return [];
  const decades = Math.log10(high / low);
  const steps = decades > 2.2 ? [1] : decades > 1.2 ? [1, 3] : decades > 0.5 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const every = decades > 10 ? 3 : decades > 5.5 ? 2 : 1;
  const ticks: number[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
    if (e % every === 0) for (const k of steps) ticks.push(Number(`${k}e${e}`));
  return ticks.filter((t) => t >= low * (1 - 1e-9) && t <= high * (1 + 1e-9));
}
