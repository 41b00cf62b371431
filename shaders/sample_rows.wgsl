// Sentences as sample.wgsl draws them, for drivers that run shaders on the CPU: one thread owns one sentence. Its symbols lie
// at the start of its tokens, the root first; level by level they are replaced by their tuples, from the last symbol on, so
// that none is overwritten before it is read.
// Every load in this text is eight loads and branches, which lavapipe compiles for 30 ms: words that belong together come by a
// loop whose end it does not see (opaque: src/gpu/unroll.ts), and what is long stands once. These words lie in one array, so
// long that Mesa does not write out the loops over it to get rid of it (up to 32 rounds).
var<private> words: array<u32, 112>;
const DIGITS = 0u; // rules by the derivation's number, the last node's first
const MOST_DIGITS = 64u; // as that number is below 2^64
const SOURCE = 64u;
const SOURCE_USED = SOURCE_ORDER_KEY + 2u;
const CHANGE = 80u;
const DEPTH = 88u;
const HEADER = 96u;
const HEADER_USED = HEADER_ROOT_THRESHOLDS + 1u;

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
      for (var node = 0u; node < min(p.nodes, MOST_DIGITS); node++) {
        let divided = divideSmall(at, m);
        at = divided.xy;
        words[DIGITS + node] = divided.z;
      }
      root = at.x;
    }
  }
  if (!numbered) {
    root = digit(g0, words[HEADER + HEADER_ROOT_THRESHOLDS], words[HEADER + HEADER_N], wordOf(key, place, 0u, 0u), 1u);
  }

  var fresh = vec2u(); // words of the change's own draws
  if (CHANGES == 1u) {
    for (var i = 0u; i < opaque(CHANGE_WORDS); i++) { words[CHANGE + i] = change[r * p.changeReplica + i]; }
    fresh = threefry(vec2u(words[CHANGE + CHANGE_KEY], words[CHANGE + CHANGE_KEY + 1u]), vec2u(counter.x, (counter.y << 16u) | INTERVENTION_BLOCK));
  }
  let kind = words[CHANGE + CHANGE_KIND];

  let out = r * p.tokensReplica + b * (p.nodes * (p.s - 1u) + 1u);
  tokens[out] = root;
  var nodes = 1u; // of the level
  var changedFirst = 0u; // those in the changed subtree
  var changedEnd = 0u;
  for (var l = 0u; l <= p.L; l++) {
    let here = CHANGES == 1u && kind > 0u && l == words[CHANGE + CHANGE_DEPTH];
    if (here && kind == 2u) {
      let radix = select(words[HEADER + HEADER_V], words[HEADER + HEADER_N], l == 0u);
      let thresholds = select(0u, words[HEADER + HEADER_ROOT_THRESHOLDS], l == 0u);
      let old = select(NO_OLD, tokens[out + words[CHANGE + CHANGE_POSITION]], words[CHANGE + CHANGE_DIFFERENT] == 1u);
      tokens[out + words[CHANGE + CHANGE_POSITION]] = freshDigit(g0, thresholds, radix, fresh.x, old);
    }
    if (l == p.L) { break; }
    for (var i = 1u; i < opaque(DEPTH_WORDS); i++) { words[DEPTH + i] = grammar[g0 + HEADER_DEPTHS + l * DEPTH_WORDS + i]; }
    for (var position = nodes - 1u; position < nodes; position--) { // until it wraps
      let symbol = tokens[out + position];
      if (l == 0u && (p.outputs & 1u) == 1u) { roots[r * p.rootsReplica + b] = symbol; }
      if ((p.outputs & 2u) == 2u) { hidden[r * p.hiddenReplica + b * p.nodes + words[DEPTH + DEPTH_FIRST_NODE] + position] = symbol; }
      var rule = 0u;
      let redrawn = position >= changedFirst && position < changedEnd;
      if (redrawn || !numbered) {
        let word = position / words[DEPTH + DEPTH_PER_WORD];
        let drawKey = select(key, vec2u(words[CHANGE + CHANGE_KEY], words[CHANGE + CHANGE_KEY + 1u]), redrawn);
        let tag = select(0u, 0x80000000u, redrawn);
        let drawn = wordOf(drawKey, select(place, counter, redrawn), words[DEPTH + DEPTH_WORD] + word, tag);
        rule = digit(g0, words[DEPTH + DEPTH_THRESHOLDS], m, drawn, grammar[g0 + words[DEPTH + DEPTH_MULTIPLIERS] + position - word * words[DEPTH + DEPTH_PER_WORD]]);
      } else {
        let later = p.nodes - 1u - words[DEPTH + DEPTH_FIRST_NODE] - position;
        if (later < MOST_DIGITS) { rule = words[DIGITS + later]; }
      }
      if (here && position == words[CHANGE + CHANGE_POSITION]) {
        rule = freshDigit(g0, words[DEPTH + DEPTH_THRESHOLDS], m, fresh.y, select(NO_OLD, rule, kind == 1u && words[CHANGE + CHANGE_DIFFERENT] == 1u));
      }
      let tuple = g0 + words[DEPTH + DEPTH_RULES] + (symbol * m + rule) * p.s;
      for (var i = 0u; i < p.s; i++) { tokens[out + position * p.s + i] = grammar[tuple + i]; }
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
