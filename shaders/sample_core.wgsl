// Shared by the samplers: words of grammar, source and change (by the names of src/kernels/shared/words.ts),
// and the arithmetic of a draw. opaque: src/gpu/unroll.ts.

// 1: every source is a stream without epochs. Software drivers execute both sides of a branch, so code that a plan cannot
// need is left out when the pipeline is built.
override ENDLESS: u32 = 0u;
override CHANGES: u32 = 1u;
override HOLDS: u32 = 1u; // some grammar has held-out pairs

const INTERVENTION_BLOCK = 0xffffu;
const FEISTEL_ROUNDS = 8u;
const WEIGHT_SCALE = 0x80000000u;
const NO_OLD = 0xffffffffu;
const MAX_DEPTH = 20u;

// A 64-bit number is (low, high).
fn add64(a: vec2u, b: u32) -> vec2u {
  let low = a.x + b;
  return vec2u(low, a.y + select(0u, 1u, low < a.x));
}

fn below64(a: vec2u, b: vec2u) -> bool {
  return a.y < b.y || (a.y == b.y && a.x < b.x);
}

// Quotient of a by d < 2^31 (xy) and remainder (z), bit by bit.
fn divide64(a: vec2u, d: u32) -> vec3u {
  if (a.y == 0u) { return vec3u(a.x / d, 0u, a.x % d); }
  var quotient = vec2u(0u);
  var rest = 0u;
  for (var i = 0u; i < 64u; i++) {
    let word = select(a.x, a.y, i < 32u);
    rest = (rest << 1u) | ((word >> (31u - (i & 31u))) & 1u);
    quotient = vec2u(quotient.x << 1u, (quotient.y << 1u) | (quotient.x >> 31u));
    if (rest >= d) {
      rest -= d;
      quotient.x |= 1u;
    }
  }
  return vec3u(quotient, rest);
}

// The same for d <= 65536, sixteen bits at a time.
fn divideSmall(a: vec2u, d: u32) -> vec3u {
  let high = a.y / d;
  let t1 = ((a.y % d) << 16u) | (a.x >> 16u);
  let t0 = ((t1 % d) << 16u) | (a.x & 0xffffu);
  return vec3u(((t1 / d) << 16u) | (t0 / d), high, t0 % d);
}

fn maskOf(bits: u32) -> u32 {
  return select((1u << (bits & 31u)) - 1u, 0xffffffffu, bits >= 32u);
}

fn permute(key: vec2u, size: vec2u, bits: u32, place: vec2u) -> vec2u {
  let lower = bits >> 1u;
  let upper = bits - lower;
  let lowerMask = maskOf(lower);
  let upperMask = maskOf(upper);
  var x = place;
  loop {
    // x = left * 2^lower + right; lower may be 0 or 32.
    var left = x.y;
    if (lower < 32u) { left = (x.x >> lower) | select(0u, x.y << ((32u - lower) & 31u), lower > 0u); }
    var right = x.x & lowerMask;
    for (var round = 0u; round < opaque(FEISTEL_ROUNDS); round += 2u) {
      left ^= threefry(key, vec2u(right, round)).x & upperMask;
      right ^= threefry(key, vec2u(left, round + 1u)).x & lowerMask;
    }
    x = vec2u(right, left);
    if (lower < 32u) { x = vec2u((left << lower) | right, select(0u, left >> ((32u - lower) & 31u), lower > 0u)); }
    if (below64(x, size)) { break; }
  }
  return x;
}

fn countThresholds(at: u32, radix: u32, x: u32) -> u32 {
  var count = 0u;
  for (var k = 0u; k + 1u < radix; k++) { count += select(0u, 1u, x >= grammar[at + k]); }
  return count;
}

// g0: first word of this replica's grammar; thresholds: its offset from there, 0 = uniform.
fn digit(g0: u32, thresholds: u32, radix: u32, word: u32, multiplier: u32) -> u32 {
  if (thresholds > 0u) { return countThresholds(g0 + thresholds, radix, word >> 1u); }
  return mulhi(word * multiplier, radix);
}

fn freshDigit(g0: u32, thresholds: u32, radix: u32, word: u32, old: u32) -> u32 {
  let any = old == NO_OLD || radix == 1u;
  if (thresholds == 0u) { return select((old + 1u + mulhi(word, radix - 1u)) % radix, mulhi(word, radix), any); }
  var place = word >> 1u;
  if (!any) {
    var start = 0u;
    var end = WEIGHT_SCALE;
    if (old > 0u) { start = grammar[g0 + thresholds + old - 1u]; }
    if (old + 1u < radix) { end = grammar[g0 + thresholds + old]; }
    let width = end - start;
    if (width == WEIGHT_SCALE) { return old; }
    let x = mulhi(word, WEIGHT_SCALE - width);
    place = select(x, x + width, x >= start);
  }
  return countThresholds(g0 + thresholds, radix, place);
}

// Key, counter and block of the words in `cached`; drawn again only if another one is requested.
var<private> cached: vec2u;
var<private> cachedBlock: u32 = 0xffffffffu;

fn wordOf(key: vec2u, index: vec2u, word: u32, tag: u32) -> u32 {
  let block = word >> 1u;
  if (cachedBlock != (block | tag)) {
    cached = threefry(key, vec2u(index.x, (index.y << 16u) | block));
    cachedBlock = block | tag;
  }
  return select(cached.x, cached.y, (word & 1u) == 1u);
}
