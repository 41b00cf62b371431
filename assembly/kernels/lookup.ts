/** output = table[index], whole numbers; the twin of shaders/lookup.wgsl. A thread owns elements. */
import { Lookup } from '../../build/assembly/layouts';
import { shareOf } from '../share';

export function lookup(p: Lookup, thread: u32, threads: u32): void {
  const elements = p.elements;
  const all = elements * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / elements;
    const at = 4 * (i % elements);
    const index = load<u32>(p.indexAt(r) + at);
    const last = p.entries - 1;
    store<u32>(p.outputAt(r) + at, load<u32>(p.tableAt(r) + 4 * (index < last ? index : last)));
  }
}
