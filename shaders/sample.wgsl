// Sentences of a grammar, bit for bit those of assembly/sampler.ts and src/reference/sample.ts:
//   tokens[r, b, :] = sentence (clock + skip + b) of source[r] under grammar[r], after change[r] if there is one.
// One thread owns one node of the level next to the last: it walks from the root to it and writes its s^2 tokens, each hidden
// symbol above whose leftmost descendant it is, and the root when it is the first (L = 1: the whole sentence). Words of
// grammar, source, change: src/core/grammar-image.ts, sample-source.ts, tree-change.ts. A Threefry block is kept until a
// level needs another one. opaque: src/gpu/unroll.ts.
struct Params {
  batch: u32, skip: u32, s: u32, depth: u32,
  units: u32, nodes: u32, gridX: u32, unused: u32, // units: nodes owned by threads, a sentence

  grammarReplica: u32, sourceReplica: u32, clockReplica: u32, changeReplica: u32,
  tokensReplica: u32, rootsReplica: u32, hiddenReplica: u32, outputs: u32, // outputs: 1 roots, 2 hidden
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> grammar: array<u32>;
@group(0) @binding(2) var<storage, read> source: array<u32>;
@group(0) @binding(3) var<storage, read> clock: array<u32>;
@group(0) @binding(4) var<storage, read> change: array<u32>;
@group(0) @binding(5) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(6) var<storage, read_write> roots: array<u32>;
@group(0) @binding(7) var<storage, read_write> hidden: array<u32>;

// 1: every source is a stream without epochs. Drivers on the processor execute both sides of a branch, so what a plan cannot
// need is left out when the pipeline is built.
override PLAIN: u32 = 0u;
override CHANGES: u32 = 1u;

const HEADER_N = 2u;
const HEADER_M = 3u;
const HEADER_V = 1u;
const HEADER_ROOT_THRESHOLDS = 10u;
const HEADER_LEVELS = 16u;
const LEVEL_WORDS = 8u;
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

fn mulhi(x: u32, y: u32) -> u32 {
  let x0 = x & 0xffffu;
  let x1 = x >> 16u;
  let y0 = y & 0xffffu;
  let y1 = y >> 16u;
  let mid = x1 * y0 + ((x0 * y0) >> 16u);
  return x1 * y1 + (mid >> 16u) + (((mid & 0xffffu) + x0 * y1) >> 16u);
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

// Counter to a place in the stream or in the permutation: epochs and their order undone.
fn unmixIndex(at: u32, g: vec2u) -> vec2u {
  let length = source[at + 8u];
  let first = vec2u(source[at + 6u], source[at + 7u]);
  var r = g;
  if (length > 0u) {
    let divided = divide64(g, length);
    r = vec2u(divided.z, 0u);
    if (source[at + 10u] == 1u) {
      let key = threefry(vec2u(source[at + 11u], source[at + 12u]), divided.xy);
      r = permute(key, vec2u(length, 0u), source[at + 9u], r);
    }
  }
  let sum = add64(first, r.x);
  return vec2u(sum.x, sum.y + r.y);
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

// Which key, counter and block the words in `cached` came from; drawn again only when another one is asked for.
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

fn levelDigit(record: u32, position: u32, key: vec2u, index: vec2u, tag: u32) -> u32 {
  let perWord = grammar[record + 2u];
  var word = 0u;
  var slot = position;
  if (position >= perWord) {
    word = position / perWord;
    slot = position - word * perWord;
  }
  let drawn = wordOf(key, index, grammar[record + 1u] + word, tag);
  let multiplier = grammar[g0 + grammar[record + 3u] + slot];
  return digit(g0, grammar[record + 4u], m, drawn, multiplier);
}

// What the thread works on.
var<private> g0: u32; // first word of this replica's grammar
var<private> m: u32;
var<private> key: vec2u;
var<private> place: vec2u; // in the stream or the permutation
var<private> counter: vec2u; // the sentence's number
var<private> numbered: bool; // permutation: rules come from the derivation's number
var<private> number: vec2u; // what is left of it
var<private> kind: u32; // of the change: 0 none, 1 rule, 2 symbol
var<private> changeDepth: u32;
var<private> changePosition: u32;
var<private> different: bool;
var<private> changeKey: vec2u;
var<private> fresh: vec2u; // words of the change's own draws

struct Node {
  symbol: u32,
  rule: u32,
  redrawn: bool, // it or what is below it lies in the changed subtree
}

// The node at level l < L after the change. old: its rule by the derivation's number (permutation).
fn visit(l: u32, position: u32, symbolBefore: u32, redrawn: bool, old: u32) -> Node {
  let record = g0 + HEADER_LEVELS + l * LEVEL_WORDS;
  let here = CHANGES == 1u && kind > 0u && l == changeDepth && position == changePosition;
  var symbol = symbolBefore;
  if (CHANGES == 1u && here && kind == 2u) {
    let radix = select(grammar[g0 + HEADER_V], grammar[g0 + HEADER_N], l == 0u);
    let thresholds = select(0u, grammar[g0 + HEADER_ROOT_THRESHOLDS], l == 0u);
    symbol = freshDigit(g0, thresholds, radix, fresh.x, select(NO_OLD, symbol, different));
  }
  var rule = old;
  if (CHANGES == 1u) { // one call: the processor's drivers compile each for a second
    if (redrawn || !numbered) {
      let drawKey = select(key, changeKey, redrawn);
      rule = levelDigit(record, position, drawKey, select(place, counter, redrawn), select(0u, 0x80000000u, redrawn));
    }
  } else if (!numbered) {
    rule = levelDigit(record, position, key, place, 0u);
  }
  if (CHANGES == 1u && here) {
    rule = freshDigit(g0, grammar[record + 4u], m, fresh.y, select(NO_OLD, rule, kind == 1u && different));
  }
  return Node(symbol, rule, redrawn || here);
}

fn tupleOf(l: u32, node: Node) -> u32 {
  return g0 + grammar[g0 + HEADER_LEVELS + l * LEVEL_WORDS + 5u] + (node.symbol * m + node.rule) * p.s;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let thread = (wid.x + wid.y * p.gridX) * 64u + tid;
  if (thread >= p.batch * p.units) { return; }
  let r = wid.z;
  let b = thread / p.units;
  let unit = thread - b * p.units;
  let s0 = r * p.sourceReplica;
  let clock0 = r * p.clockReplica;
  g0 = r * p.grammarReplica;
  m = grammar[g0 + HEADER_M];
  counter = add64(add64(vec2u(clock[clock0 + 1u], clock[clock0 + 2u]), p.skip), b);
  if (PLAIN == 1u) {
    let first = add64(counter, source[s0 + 6u]);
    place = vec2u(first.x, first.y + source[s0 + 7u]);
  } else {
    place = unmixIndex(s0, counter);
  }
  key = vec2u(source[s0 + 1u], source[s0 + 2u]);
  numbered = PLAIN == 0u && source[s0] == 1u;
  let last = p.depth - 1u; // level of the nodes whose children are tokens
  let children = select(p.s, 1u, last == 0u); // nodes of that level below this unit

  // Permutation: peel the digits off the derivation's number from the last node on. Those along the path go into `digits`,
  // and `number` stays where the children of the unit come next, the last of them first.
  var digits: array<u32, MAX_DEPTH>;
  var root = 0u;
  number = vec2u(0u);
  if (PLAIN == 0u && numbered) {
    var rest = permute(key, vec2u(source[s0 + 3u], source[s0 + 4u]), source[s0 + 5u], place);
    for (var l = 0u; l < p.depth; l++) { digits[l] = 0u; }
    if (m > 1u) {
      var level = select(last - 1u, 0u, last == 0u);
      var position = unit;
      let lastFirst = grammar[g0 + HEADER_LEVELS + last * LEVEL_WORDS + 7u];
      for (var node = p.nodes; node > 0u; node--) {
        if (node == lastFirst + (unit + 1u) * children) { number = rest; }
        let divided = divideSmall(rest, m);
        rest = divided.xy;
        if (last > 0u && node - 1u == grammar[g0 + HEADER_LEVELS + level * LEVEL_WORDS + 7u] + position) {
          digits[level] = divided.z;
          level = select(0u, level - 1u, level > 0u);
          position /= p.s;
        }
      }
    }
    root = rest.x;
  } else {
    root = digit(g0, grammar[g0 + HEADER_ROOT_THRESHOLDS], grammar[g0 + HEADER_N], wordOf(key, place, 0u, 0u), 1u);
  }

  kind = 0u;
  if (CHANGES == 1u) {
    let c0 = r * p.changeReplica;
    kind = change[c0];
    changeDepth = change[c0 + 1u];
    changePosition = change[c0 + 2u];
    different = change[c0 + 3u] == 1u;
    changeKey = vec2u(change[c0 + 4u], change[c0 + 5u]);
    if (kind > 0u) { fresh = threefry(changeKey, vec2u(counter.x, (counter.y << 16u) | INTERVENTION_BLOCK)); }
  }

  let row = r * p.hiddenReplica + b * p.nodes;
  var symbol = root;
  var position = 0u;
  var rest = unit; // of the unit's position, below the current node
  var span = p.units; // units below the current node
  var redrawn = false;
  for (var l = 0u; l < last; l++) {
    let node = visit(l, position, symbol, redrawn, digits[l]);
    if (rest == 0u) {
      if (l == 0u && (p.outputs & 1u) == 1u) { roots[r * p.rootsReplica + b] = node.symbol; }
      if ((p.outputs & 2u) == 2u) {
        hidden[row + grammar[g0 + HEADER_LEVELS + l * LEVEL_WORDS + 7u] + position] = node.symbol;
      }
    }
    redrawn = node.redrawn;
    symbol = tupleOf(l, node); // of the whole tuple at the unit itself: its children are visited below
    if (l + 1u < last) {
      span /= p.s;
      let child = rest / span;
      rest -= child * span;
      symbol = grammar[symbol + child];
      position = position * p.s + child;
    }
  }

  let tuple = symbol;
  for (var c = children; c > 0u; c--) {
    let at = unit * children + c - 1u; // position among the nodes of the last level
    var mine = root;
    if (last > 0u) { mine = grammar[tuple + c - 1u]; }
    var old = 0u;
    if (PLAIN == 0u && numbered && m > 1u) {
      let divided = divideSmall(number, m);
      number = divided.xy;
      old = divided.z;
    }
    let node = visit(last, at, mine, redrawn, old);
    if (last == 0u && (p.outputs & 1u) == 1u) { roots[r * p.rootsReplica + b] = node.symbol; }
    if ((p.outputs & 2u) == 2u) {
      hidden[row + grammar[g0 + HEADER_LEVELS + last * LEVEL_WORDS + 7u] + at] = node.symbol;
    }
    let leaves = tupleOf(last, node);
    let out = r * p.tokensReplica + (b * p.units * children + at) * p.s;
    for (var i = 0u; i < p.s; i++) {
      var token = grammar[leaves + i];
      if (CHANGES == 1u && kind == 2u && changeDepth == p.depth && at * p.s + i == changePosition) {
        token = freshDigit(g0, 0u, grammar[g0 + HEADER_V], fresh.x, select(NO_OLD, token, different));
      }
      tokens[out + i] = token;
    }
  }
}
