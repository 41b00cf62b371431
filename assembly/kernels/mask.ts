/** Hides tokens of sentences by the rule of src/core/masking.ts; the twin of shaders/mask.wgsl. A thread owns sentences. */
import { Mask } from '../../build/assembly/layouts';
import { CLOCK_SAMPLE_LOW, MASK_LEAST, MASK_MOST, MASK_PLACES } from '../../build/assembly/words';
import { shareOf } from '../share';
import { threefry } from '../threefry';
import { copyWords, field } from '../words';

export function mask(p: Mask, thread: u32, threads: u32): void {
  const batch = p.batch;
  const all = batch * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let row = shareOf(all, thread, threads); row < end; row++) sentence(p, row / batch, row % batch);
}

function sentence(p: Mask, r: u32, b: u32): void {
  const law = p.lawAt(r);
  const keys = p.keysAt(r);
  const number = load<u64>(p.clockAt(r), CLOCK_SAMPLE_LOW) + p.skip + b;
  const key = threefry(load<u32>(keys), load<u32>(keys, 4), <u32>number, <u32>(number >> 32));
  const least = field(law, MASK_LEAST);
  const length = p.length;
  const places = law + MASK_PLACES;
  let words = threefry(<u32>key, <u32>(key >> 32), 0, 0);
  let block: u32 = 0;
  const masked = least + mulhi(<u32>words, field(law, MASK_MOST) - least + 1);
  let left: u32 = 0; // places that may still be masked
  for (let i: u32 = 0; i < length; i++) left += load<u32>(places + 4 * i);
  let wanted = masked;
  let seen = p.seenAt(r) + 4 * b * p.sentence;
  const counts = p.countsAt(r) + 4 * b * length;
  copyWords(seen, p.tokensAt(r) + 4 * b * p.sentence, p.sentence);
  seen += 4 * p.firstToken;
  for (let i: u32 = 0; i < length; i++) {
    let count: u32 = 0;
    if (load<u32>(places + 4 * i)) {
      const word = i + 1;
      if (word / 2 != block) {
        block = word / 2;
        words = threefry(<u32>key, <u32>(key >> 32), block, 0);
      }
      if (mulhi(<u32>(word & 1 ? words >> 32 : words), left) < wanted) {
        wanted--;
        count = masked;
        store<u32>(seen + 4 * i, p.symbol);
      }
      left--;
    }
    store<u32>(counts + 4 * i, count);
  }
}

/** The upper 32 bits of the product. */
function mulhi(x: u32, y: u32): u32 {
  return <u32>((<u64>x * <u64>y) >> 32);
}
