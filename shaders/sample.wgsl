// Sentences of a grammar, bit for bit those of assembly/sampler.ts and src/reference/sample.ts:
//   tokens[r, b, :] = sentence (clock + skip + b) of source[r] under grammar[r], after change[r] if there is one.
// One thread owns one node of the level next to the last: it descends from the root to that node and writes its s^2 tokens,
// each hidden symbol whose leftmost descendant it is, and the root if it is the first (L = 1: the whole sentence). A Threefry
// block is kept until a level needs another one.

// From the counter to a place in the stream or in the permutation, with epochs and their order undone.
fn unmixIndex(at: u32, g: vec2u) -> vec2u {
  let length = source[at + SOURCE_LENGTH];
  let first = vec2u(source[at + SOURCE_FIRST], source[at + SOURCE_FIRST + 1u]);
  var r = g;
  if (length > 0u) {
    let divided = divide64(g, length);
    r = vec2u(divided.z, 0u);
    if (source[at + SOURCE_ORDERED] == 1u) {
      let key = threefry(vec2u(source[at + SOURCE_ORDER_KEY], source[at + SOURCE_ORDER_KEY + 1u]), divided.xy);
      r = permute(key, vec2u(length, 0u), source[at + SOURCE_LENGTH_BITS], r);
    }
  }
  let sum = add64(first, r.x);
  return vec2u(sum.x, sum.y + r.y);
}

// radix: of the draw, if its rules are not weighted.
fn levelDigit(record: u32, position: u32, radix: u32, key: vec2u, index: vec2u, tag: u32) -> u32 {
  let perWord = grammar[record + DEPTH_PER_WORD];
  var word = 0u;
  var slot = position;
  if (position >= perWord) {
    word = position / perWord;
    slot = position - word * perWord;
  }
  let drawn = wordOf(key, index, grammar[record + DEPTH_WORD] + word, tag);
  let multiplier = grammar[g0 + grammar[record + DEPTH_MULTIPLIERS] + slot];
  return digit(g0, grammar[record + DEPTH_THRESHOLDS], radix, drawn, multiplier);
}

// State of the thread.
var<private> g0: u32; // first word of this replica's grammar
var<private> m: u32;
var<private> key: vec2u;
var<private> place: vec2u; // in the stream or the permutation
var<private> counter: vec2u; // the sentence's number
var<private> numbered: bool; // permutation: rules come from the derivation's number
var<private> number: vec2u; // the rest of it
var<private> kind: u32; // of the change: 0 none, 1 rule, 2 symbol
var<private> changeDepth: u32;
var<private> changePosition: u32;
var<private> different: bool;
var<private> changeKey: vec2u;
var<private> fresh: vec2u; // words of the draws made by the change
var<private> held: u32; // the record of held-out pairs; 0: none, as heldDepth
var<private> heldDepth: u32;
var<private> heldAllowed: u32;
var<private> heldEnd: u32; // last held-out place + 1; 0 without one
var<private> tuple: u32; // location of the parent's symbols

// Number of values of a draw at a place of the restricted depth, and the offset added to it.
fn heldRadix(place: u32) -> vec2u {
  if (place + 1u < heldEnd) { return vec2u(m, 0u); }
  if (place + 1u == heldEnd) { return vec2u(m - heldAllowed, heldAllowed); }
  return vec2u(heldAllowed, 0u);
}

// The same for a node, counted from the root.
fn nodeRadix(node: u32) -> vec2u {
  if (HOLDS == 1u && heldDepth > 0u) {
    let place = node - grammar[held + HELD_FIRST_NODE]; // wraps above the depth
    if (place < grammar[held + HELD_PLACES]) { return heldRadix(place); }
  }
  return vec2u(m, 0u);
}

// Finds the last held-out place from a derivation's number. @returns the rest of the number
fn lastHeld(whole: vec2u) -> vec2u {
  let sums = g0 + grammar[held + HELD_SUMS];
  var before = vec2u(0u);
  for (var j = 0u; j < grammar[held + HELD_PLACES]; j++) {
    let sum = vec2u(grammar[sums + 2u * j], grammar[sums + 2u * j + 1u]);
    if (below64(whole, sum)) {
      heldEnd = j + 1u;
      break;
    }
    before = sum;
  }
  return vec2u(whole.x - before.x, whole.y - before.y - select(0u, 1u, whole.x < before.x));
}

struct Node {
  symbol: u32,
  rule: u32,
  redrawn: bool, // it or a node below it is in the changed subtree
}

// The node at depth l < L after the change. old: its rule by the derivation's number (permutation).
fn visit(l: u32, position: u32, symbolBefore: u32, redrawn: bool, old: u32) -> Node {
  let record = g0 + HEADER_DEPTHS + l * DEPTH_WORDS;
  let here = CHANGES == 1u && kind > 0u && l == changeDepth && position == changePosition;
  var symbol = symbolBefore;
  if (CHANGES == 1u && here && kind == 2u) {
    let radix = select(grammar[g0 + HEADER_V], grammar[g0 + HEADER_N], l == 0u);
    let thresholds = select(0u, grammar[g0 + HEADER_ROOT_THRESHOLDS], l == 0u);
    symbol = freshDigit(g0, thresholds, radix, fresh.x, select(NO_OLD, symbol, different));
  }
  var rule = old;
  var radix = vec2u(m, 0u);
  let restricted = HOLDS == 1u && heldDepth > 0u && l == heldDepth;
  if (restricted) { radix = heldRadix(position); }
  if (CHANGES == 1u) { // a single call: software drivers take a second to compile each
    if (redrawn || !numbered) {
      let drawKey = select(key, changeKey, redrawn);
      rule = radix.y + levelDigit(record, position, radix.x, drawKey, select(place, counter, redrawn), select(0u, 0x80000000u, redrawn));
    }
  } else if (!numbered) {
    rule = radix.y + levelDigit(record, position, radix.x, key, place, 0u);
  }
  if (CHANGES == 1u && here) {
    rule = freshDigit(g0, grammar[record + DEPTH_THRESHOLDS], radix.x, fresh.y, select(NO_OLD, rule, kind == 1u && different));
  }
  if (restricted) {
    let above = tuple - g0 - grammar[record - DEPTH_WORDS + DEPTH_RULES]; // symbols in the rules before the parent's
    rule = grammar[g0 + grammar[held + HELD_ORDER] + (above + position % p.s) * m + rule];
  }
  return Node(symbol, rule, redrawn || here);
}

fn tupleOf(l: u32, node: Node) -> u32 {
  return g0 + grammar[g0 + HEADER_DEPTHS + l * DEPTH_WORDS + DEPTH_RULES] + (node.symbol * m + node.rule) * p.s;
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
  counter = add64(add64(vec2u(clock[clock0 + CLOCK_SAMPLE_LOW], clock[clock0 + CLOCK_SAMPLE_HIGH]), p.skip), b);
  if (ENDLESS == 1u) {
    let first = add64(counter, source[s0 + SOURCE_FIRST]);
    place = vec2u(first.x, first.y + source[s0 + SOURCE_FIRST + 1u]);
  } else {
    place = unmixIndex(s0, counter);
  }
  key = vec2u(source[s0 + SOURCE_KEY], source[s0 + SOURCE_KEY + 1u]);
  numbered = ENDLESS == 0u && source[s0 + SOURCE_MODE] == 1u;
  heldDepth = 0u;
  heldEnd = 0u;
  if (HOLDS == 1u && grammar[g0 + HEADER_HELD] > 0u) {
    held = g0 + grammar[g0 + HEADER_HELD];
    heldDepth = grammar[held + HELD_DEPTH];
    heldAllowed = grammar[held + HELD_ALLOWED];
  }
  let last = p.L - 1u; // depth of the nodes whose children are tokens
  let children = select(p.s, 1u, last == 0u); // nodes of that level below this unit

  // Permutation: peel the digits off the derivation's number from the last node on. Those along the path go into `digits`;
  // `number` then begins with the digits of the unit's children, the last of them first.
  var digits: array<u32, MAX_DEPTH>;
  var root = 0u;
  number = vec2u(0u);
  if (ENDLESS == 0u && numbered) {
    var rest = permute(key, vec2u(source[s0 + SOURCE_SIZE], source[s0 + SOURCE_SIZE + 1u]), source[s0 + SOURCE_BITS], place);
    for (var l = 0u; l < p.L; l++) { digits[l] = 0u; }
    if (HOLDS == 1u && heldDepth > 0u && grammar[held + HELD_SUMS] > 0u) { rest = lastHeld(rest); }
    if (m > 1u) {
      var depth = select(last - 1u, 0u, last == 0u);
      var position = unit;
      let lastFirst = grammar[g0 + HEADER_DEPTHS + last * DEPTH_WORDS + DEPTH_FIRST_NODE];
      for (var node = p.nodes; node > 0u; node--) {
        if (node == lastFirst + (unit + 1u) * children) { number = rest; }
        let radix = nodeRadix(node - 1u);
        let divided = divideSmall(rest, radix.x);
        rest = divided.xy;
        if (last > 0u && node - 1u == grammar[g0 + HEADER_DEPTHS + depth * DEPTH_WORDS + DEPTH_FIRST_NODE] + position) {
          digits[depth] = divided.z + radix.y;
          depth = select(0u, depth - 1u, depth > 0u);
          position /= p.s;
        }
      }
    }
    root = rest.x;
  } else {
    if (HOLDS == 1u && heldDepth > 0u && grammar[held + HELD_SUMS] > 0u) {
      let word = wordOf(key, place, grammar[held + HELD_WORD], 0u);
      heldEnd = 1u + countThresholds(g0 + grammar[held + HELD_THRESHOLDS], grammar[held + HELD_PLACES], word >> 1u);
    }
    root = digit(g0, grammar[g0 + HEADER_ROOT_THRESHOLDS], grammar[g0 + HEADER_N], wordOf(key, place, 0u, 0u), 1u);
  }

  kind = 0u;
  if (CHANGES == 1u) {
    let c0 = r * p.changeReplica;
    kind = change[c0 + CHANGE_KIND];
    changeDepth = change[c0 + CHANGE_DEPTH];
    changePosition = change[c0 + CHANGE_POSITION];
    different = change[c0 + CHANGE_DIFFERENT] == 1u;
    changeKey = vec2u(change[c0 + CHANGE_KEY], change[c0 + CHANGE_KEY + 1u]);
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
        hidden[row + grammar[g0 + HEADER_DEPTHS + l * DEPTH_WORDS + DEPTH_FIRST_NODE] + position] = node.symbol;
      }
    }
    redrawn = node.redrawn;
    tuple = tupleOf(l, node);
    if (l + 1u < last) { // at the unit itself all children are visited, below
      span /= p.s;
      let child = rest / span;
      rest -= child * span;
      symbol = grammar[tuple + child];
      position = position * p.s + child;
    }
  }

  for (var c = children; c > 0u; c--) {
    let at = unit * children + c - 1u; // position among the nodes of the last level
    var mine = root;
    if (last > 0u) { mine = grammar[tuple + c - 1u]; }
    var old = 0u;
    if (ENDLESS == 0u && numbered && m > 1u) {
      let radix = nodeRadix(grammar[g0 + HEADER_DEPTHS + last * DEPTH_WORDS + DEPTH_FIRST_NODE] + at);
      let divided = divideSmall(number, radix.x);
      number = divided.xy;
      old = divided.z + radix.y;
    }
    let node = visit(last, at, mine, redrawn, old);
    if (last == 0u && (p.outputs & 1u) == 1u) { roots[r * p.rootsReplica + b] = node.symbol; }
    if ((p.outputs & 2u) == 2u) {
      hidden[row + grammar[g0 + HEADER_DEPTHS + last * DEPTH_WORDS + DEPTH_FIRST_NODE] + at] = node.symbol;
    }
    let leaves = tupleOf(last, node);
    let out = r * p.tokensReplica + (b * p.units * children + at) * p.s;
    for (var i = 0u; i < p.s; i++) {
      var token = grammar[leaves + i];
      if (CHANGES == 1u && kind == 2u && changeDepth == p.L && at * p.s + i == changePosition) {
        token = freshDigit(g0, 0u, grammar[g0 + HEADER_V], fresh.x, select(NO_OLD, token, different));
      }
      tokens[out + i] = token;
    }
  }
}
