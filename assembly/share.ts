/** How work is cut into shares. */

/** Where share `index` of `shares` starts in `count` things: shares differ by one at most. count * shares < 2^32. */
export function shareOf(count: u32, index: u32, shares: u32): u32 {
  return <u32>((<u64>count * index) / shares);
}

export function alignUp(x: u32, step: u32): u32 {
  return ((x + step - 1) / step) * step;
}
