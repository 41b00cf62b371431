/** How work is divided into shares. */

/** Where share `index` of `shares` starts among `count` items: shares differ by at most one. count * shares < 2^32. */
export function shareOf(count: u32, index: u32, shares: u32): u32 {
  return <u32>((<u64>count * index) / shares);
}

export function alignUp(x: u32, step: u32): u32 {
  return ((x + step - 1) / step) * step;
}
