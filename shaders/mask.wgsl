// Hides tokens of sentences clock + skip + b, bit for bit as src/core/masking.ts:
//   seen[r, b, firstToken + i] = symbol and counts[r, b, i] = n if token i is one of the n masked ones, else the token and 0.
// One thread owns one sentence and processes its tokens in order. threefry.wgsl, mulhi.wgsl and the names of words precede
// this text.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let b = (wid.x + wid.y * count.x) * 64u + tid;
  if (b >= p.batch) { return; }
  let r = wid.z;
  let clock0 = r * p.clockReplica;
  let low = clock[clock0 + CLOCK_SAMPLE_LOW];
  let skipped = low + p.skip;
  let at = skipped + b;
  let high = clock[clock0 + CLOCK_SAMPLE_HIGH] + select(0u, 1u, skipped < low) + select(0u, 1u, at < skipped);
  let key = threefry(vec2u(keys[r * p.keysReplica], keys[r * p.keysReplica + 1u]), vec2u(at, high));
  var words = threefry(key, vec2u(0u));
  var block = 0u;

  let law0 = r * p.lawReplica;
  let places = law0 + MASK_PLACES;
  let least = law[law0 + MASK_LEAST];
  let masked = least + mulhi(words.x, law[law0 + MASK_MOST] - least + 1u);
  var left = 0u; // places that may still be masked
  for (var i = 0u; i < p.length; i++) { left += law[places + i]; }
  var wanted = masked;
  let row = r * p.tokensReplica + b * p.sentence;
  let out = r * p.seenReplica + b * p.sentence;
  for (var i = 0u; i < p.sentence; i++) { seen[out + i] = tokens[row + i]; }
  for (var i = 0u; i < p.length; i++) {
    var hit = false;
    if (law[places + i] != 0u) {
      let word = i + 1u;
      if (word / 2u != block) {
        block = word / 2u;
        words = threefry(key, vec2u(block, 0u));
      }
      hit = mulhi(select(words.x, words.y, word % 2u == 1u), left) < wanted;
      left--;
    }
    if (hit) {
      wanted--;
      seen[out + p.firstToken + i] = p.symbol;
    }
    counts[r * p.countsReplica + b * p.length + i] = select(0u, masked, hit);
  }
}
