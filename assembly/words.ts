/**
 * Short runs of 32-bit words. memory.fill and memory.copy call code of the engine, which costs some 30 ns per call: more than the
 * few cache lines of a row. That code also checks bounds against a memory size that is stored per thread, and a shared memory can
 * grow while other threads wait. Therefore no kernel uses it.
 */

/** A word of a record, by its byte offset (build/assembly/words.ts). */
export function field(record: usize, offset: usize): u32 {
  return load<u32>(record + offset);
}

export function clearWords(at: usize, count: u32): void {
  const end = at + 4 * count;
  const end4 = at + 16 * (count / 4);
  for (; at < end4; at += 16) v128.store(at, i32x4.splat(0));
  for (; at < end; at += 4) store<u32>(at, 0);
}

export function copyWords(to: usize, from: usize, count: u32): void {
  const end = from + 4 * count;
  const end4 = from + 16 * (count / 4);
  for (; from < end4; from += 16, to += 16) v128.store(to, v128.load(from));
  for (; from < end; from += 4, to += 4) store<u32>(to, load<u32>(from));
}
