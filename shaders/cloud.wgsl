// Points of a cloud: p = scale * (W x - W mean), W [3, units] from PCA, x a row of activations in training's buffer.
// One instance is one sentence, four vertices of a strip are its disc; a fragment outside the disc has no coverage.

struct View {
  camera: mat4x4f, // world to clip
  centre: vec4f, // W mean; w: scale
  viewport: vec2f, // pixels
  radius: f32, // pixels
  units: u32,
  start: u32, // first element of sentence 0
  stride: u32, // elements between sentences
  chosen: i32, // sentence with a ring; -1: none
  only: i32, // symbol that is highlighted; -1: none
  background: vec4f,
  palette: array<vec4f, 64>,
}

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> activations: array<f32>;
@group(0) @binding(2) var<storage, read> basis: array<f32>; // [3, units]
@group(0) @binding(3) var<storage, read> symbols: array<u32>;

struct Corner {
  @builtin(position) position: vec4f,
  @location(0) at: vec2f, // in the disc, -1 to 1
  @location(1) @interpolate(flat) symbol: u32,
  @location(2) @interpolate(flat) chosen: u32,
}

@vertex
fn corner(@builtin(vertex_index) index: u32, @builtin(instance_index) sentence: u32) -> Corner {
  var p = -view.centre.xyz;
  let row = view.start + sentence * view.stride;
  for (var u = 0u; u < view.units; u++) {
    let x = activations[row + u];
    p += x * vec3f(basis[u], basis[view.units + u], basis[2u * view.units + u]);
  }
  let clip = view.camera * vec4f(p * view.centre.w, 1.0);
  let at = vec2f(f32(index & 1u), f32(index >> 1u)) * 2.0 - 1.0;
  var out: Corner;
  let chosen = view.chosen == i32(sentence);
  let nearness = clamp(3.6 / clip.w, 0.4, 2.2) * select(1.0, 1.7, chosen);
  out.position = clip + vec4f(at * view.radius * nearness * 2.0 / view.viewport * clip.w, 0.0, 0.0);
  out.at = at;
  out.symbol = symbols[sentence];
  out.chosen = u32(chosen);
  return out;
}

@fragment
fn disc(in: Corner) -> @location(0) vec4f {
  let r = length(in.at);
  let softness = fwidth(r);
  let coverage = 1.0 - smoothstep(1.0 - softness, 1.0, r);
  let inner = select(0.72, 0.5, in.chosen == 1u);
  let rim = smoothstep(inner - softness, inner, r);
  let own = view.palette[in.symbol % 64u].rgb;
  let ring = select(vec3f(1.0), vec3f(0.0), view.background.g > 0.5); // contrasts with the background
  let colour = mix(own, select(own * 0.42, ring, in.chosen == 1u), rim);
  let faint = view.only >= 0 && view.only != i32(in.symbol) && in.chosen == 0u;
  return vec4f(mix(colour, view.background.rgb, select(0.0, 0.85, faint)), coverage);
}
