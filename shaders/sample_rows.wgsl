// Sentences as drawn by sample.wgsl, for drivers that run shaders on the CPU: one thread owns one sentence. Its symbols are
// at the start of its tokens, the root first; level by level they are replaced by their tuples, starting with the last
// symbol, so that none is overwritten before it is read. With held-out pairs, symbols of the restricted depth are stored
// there as the places in the grammar from which they come, since these determine the rule above and the place below it. Every
// load in this text becomes eight loads and branches, which lavapipe takes 30 ms to compile: words that belong together are
// read in a loop whose end it cannot see (opaque: src/gpu/unroll.ts), and long code appears only once. These words are in one
// array, long enough that Mesa does not unroll the loops over it to eliminate it (up to 32 rounds).
var<private> words: array<u32, 120>;
const DIGITS = 0u; // rules by the derivation's number, the last node's first
const MOST_DIGITS = 64u; // since that number is below 2^64
const SOURCE = 64u;
const SOURCE_USED = SOURCE_ORDER_KEY + 2u;
const CHANGE = 80u;
const DEPTH = 88u;
const HEADER = 96u;
const HEADER_USED = HEADER_HELD + 1u;
const HELD = 112u;

// Number of values of a draw at a place of the restricted depth, and the offset added to it. end: last held-out place + 1, 0
// without one.
fn heldRadix(place: u32, end: u32) -> vec2u {
  let m = words[HEADER + HEADER_M];
  let allowed = words[HELD + HELD_ALLOWED];
  if (place + 1u < end) { return vec2u(m, 0u); }
  if (place + 1u == end) { return vec2u(m - allowed, allowed); }
  return vec2u(allowed, 0u);
}

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let b = (wid.x + wid.y * p.gridX) * 16u + tid;
  if (b >= p.batch) { return; }
  let r = wid.z;
  let g0 = r * p.grammarReplica;
  let clock0 = r * p.clockReplica;
  for (var i = 1u; i < opaque(HEADER_USED); i++) { words[HEADER + i] = grammar[g0 + i]; }
  let m = words[HEADER + HEADER_M];
  let counter = add64(add64(vec2u(clock[clock0 + CLOCK_SAMPLE_LOW], clock[clock0 + CLOCK_SAMPLE_HIGH]), p.skip), b);
  for (var i = 0u; i < opaque(SOURCE_USED); i++) { words[SOURCE + i] = source[r * p.sourceReplica + i]; }
  let key = vec2u(words[SOURCE + SOURCE_KEY], words[SOURCE + SOURCE_KEY + 1u]);
  let first = add64(counter, words[SOURCE + SOURCE_FIRST]);
  var place = vec2u(first.x, first.y + words[SOURCE + SOURCE_FIRST + 1u]); // in the stream or the permutation
  var root = 0u;
  var heldEnd = 0u;
  let holds = HOLDS == 1u && words[HEADER + HEADER_HELD] > 0u;
  words[HELD + HELD_DEPTH] = 0u;
  if (holds) {
    for (var i = 0u; i < opaque(HELD_WORDS); i++) { words[HELD + i] = grammar[g0 + words[HEADER + HEADER_HELD] + i]; }
  }
  let asks = holds && words[HELD + HELD_SUMS] > 0u;
  let numbered = ENDLESS == 0u && words[SOURCE + SOURCE_MODE] == 1u;
  if (ENDLESS == 0u) {
    let length = words[SOURCE + SOURCE_LENGTH];
    var at = counter;
    var orderKey = vec2u();
    if (length > 0u) {
      let divided = divide64(counter, length);
      at = vec2u(divided.z, 0u);
      orderKey = threefry(vec2u(words[SOURCE + SOURCE_ORDER_KEY], words[SOURCE + SOURCE_ORDER_KEY + 1u]), divided.xy);
    }
    // First the order of the epoch, then the derivation's number.
    for (var stage = 0u; stage < opaque(2u); stage++) {
      let order = stage == 0u;
      if (select(numbered, length > 0u && words[SOURCE + SOURCE_ORDERED] == 1u, order)) {
        let size = select(vec2u(words[SOURCE + SOURCE_SIZE], words[SOURCE + SOURCE_SIZE + 1u]), vec2u(length, 0u), order);
        at = permute(select(key, orderKey, order), size, select(words[SOURCE + SOURCE_BITS], words[SOURCE + SOURCE_LENGTH_BITS], order), at);
      }
      if (order) {
        let sum = add64(at, words[SOURCE + SOURCE_FIRST]);
        at = vec2u(sum.x, sum.y + words[SOURCE + SOURCE_FIRST + 1u]);
        place = at;
      }
    }
    if (numbered) {
      if (asks) { // the last held-out place, and the rest of the number
        let sums = g0 + words[HELD + HELD_SUMS];
        var before = vec2u();
        for (var j = 0u; j < words[HELD + HELD_PLACES]; j++) {
          let sum = vec2u(grammar[sums + 2u * j], grammar[sums + 2u * j + 1u]);
          if (below64(at, sum)) {
            heldEnd = j + 1u;
            break;
          }
          before = sum;
        }
        at = vec2u(at.x - before.x, at.y - before.y - select(0u, 1u, at.x < before.x));
      }
      for (var node = 0u; node < min(p.nodes, MOST_DIGITS); node++) {
        var radix = vec2u(m, 0u);
        if (holds) {
          let heldPlace = p.nodes - 1u - node - words[HELD + HELD_FIRST_NODE]; // wraps above the depth
          if (heldPlace < words[HELD + HELD_PLACES]) { radix = heldRadix(heldPlace, heldEnd); }
        }
        let divided = divideSmall(at, radix.x);
        at = divided.xy;
        words[DIGITS + node] = divided.z + radix.y;
      }
      root = at.x;
    }
  }
  if (!numbered) {
    if (asks) {
      let word = wordOf(key, place, words[HELD + HELD_WORD], 0u);
      heldEnd = 1u + countThresholds(g0 + words[HELD + HELD_THRESHOLDS], words[HELD + HELD_PLACES], word >> 1u);
    }
    root = digit(g0, words[HEADER + HEADER_ROOT_THRESHOLDS], words[HEADER + HEADER_N], wordOf(key, place, 0u, 0u), 1u);
  }

  var fresh = vec2u(); // words of the draws made by the change
  if (CHANGES == 1u) {
    for (var i = 0u; i < opaque(CHANGE_WORDS); i++) { words[CHANGE + i] = change[r * p.changeReplica + i]; }
    fresh = threefry(vec2u(words[CHANGE + CHANGE_KEY], words[CHANGE + CHANGE_KEY + 1u]), vec2u(counter.x, (counter.y << 16u) | INTERVENTION_BLOCK));
  }
  let kind = words[CHANGE + CHANGE_KIND];

  let out = r * p.tokensReplica + b * (p.nodes * (p.s - 1u) + 1u);
  tokens[out] = root;
  var nodes = 1u; // nodes of the level
  var changedFirst = 0u; // those in the changed subtree
  var changedEnd = 0u;
  for (var l = 0u; l <= p.L; l++) {
    let here = CHANGES == 1u && kind > 0u && l == words[CHANGE + CHANGE_DEPTH];
    let restricted = holds && l == words[HELD + HELD_DEPTH];
    var changed = 0u; // the new symbol of the restricted depth
    if (here && kind == 2u) {
      let radix = select(words[HEADER + HEADER_V], words[HEADER + HEADER_N], l == 0u);
      let thresholds = select(0u, words[HEADER + HEADER_ROOT_THRESHOLDS], l == 0u);
      var before = tokens[out + words[CHANGE + CHANGE_POSITION]];
      if (restricted) { before = grammar[before]; }
      changed = freshDigit(g0, thresholds, radix, fresh.x, select(NO_OLD, before, words[CHANGE + CHANGE_DIFFERENT] == 1u));
      if (!restricted) { tokens[out + words[CHANGE + CHANGE_POSITION]] = changed; }
    }
    if (l == p.L) { break; }
    for (var i = 1u; i < opaque(DEPTH_WORDS); i++) { words[DEPTH + i] = grammar[g0 + HEADER_DEPTHS + l * DEPTH_WORDS + i]; }
    let pointers = holds && l + 1u == words[HELD + HELD_DEPTH];
    for (var position = nodes - 1u; position < nodes; position--) { // until it wraps
      let cell = tokens[out + position];
      var symbol = cell;
      var radix = vec2u(m, 0u);
      if (restricted) {
        symbol = grammar[cell];
        if (here && kind == 2u && position == words[CHANGE + CHANGE_POSITION]) { symbol = changed; }
        radix = heldRadix(position, heldEnd);
      }
      if (l == 0u && (p.outputs & 1u) == 1u) { roots[r * p.rootsReplica + b] = symbol; }
      if ((p.outputs & 2u) == 2u) { hidden[r * p.hiddenReplica + b * p.nodes + words[DEPTH + DEPTH_FIRST_NODE] + position] = symbol; }
      var rule = 0u;
      let redrawn = position >= changedFirst && position < changedEnd;
      if (redrawn || !numbered) {
        let word = position / words[DEPTH + DEPTH_PER_WORD];
        let drawKey = select(key, vec2u(words[CHANGE + CHANGE_KEY], words[CHANGE + CHANGE_KEY + 1u]), redrawn);
        let tag = select(0u, 0x80000000u, redrawn);
        let drawn = wordOf(drawKey, select(place, counter, redrawn), words[DEPTH + DEPTH_WORD] + word, tag);
        rule = radix.y + digit(g0, words[DEPTH + DEPTH_THRESHOLDS], radix.x, drawn, grammar[g0 + words[DEPTH + DEPTH_MULTIPLIERS] + position - word * words[DEPTH + DEPTH_PER_WORD]]);
      } else {
        let later = p.nodes - 1u - words[DEPTH + DEPTH_FIRST_NODE] - position;
        if (later < MOST_DIGITS) { rule = words[DIGITS + later]; }
      }
      if (here && position == words[CHANGE + CHANGE_POSITION]) {
        rule = freshDigit(g0, words[DEPTH + DEPTH_THRESHOLDS], radix.x, fresh.y, select(NO_OLD, rule, kind == 1u && words[CHANGE + CHANGE_DIFFERENT] == 1u));
      }
      if (restricted) {
        let above = cell - g0 - grammar[g0 + HEADER_DEPTHS + (l - 1u) * DEPTH_WORDS + DEPTH_RULES];
        rule = grammar[g0 + words[HELD + HELD_ORDER] + above * m + rule];
      }
      let tuple = g0 + words[DEPTH + DEPTH_RULES] + (symbol * m + rule) * p.s;
      for (var i = 0u; i < p.s; i++) {
        if (pointers) { tokens[out + position * p.s + i] = tuple + i; } else { tokens[out + position * p.s + i] = grammar[tuple + i]; }
      }
    }
    if (here) {
      changedFirst = words[CHANGE + CHANGE_POSITION];
      changedEnd = words[CHANGE + CHANGE_POSITION] + 1u;
    }
    changedFirst *= p.s;
    changedEnd *= p.s;
    nodes *= p.s;
  }
}
