// Shared by the optimiser kernels: one thread owns 4 neighbouring elements of one replica's row of the flat [R, P] blocks,
// or of one stretch of the rows: `quads` vec4s, rows `stride` vec4s apart.
// hyper [R, 16] and pace [R, 4]: see src/core/clock.ts for the words.
struct Params { quads: u32, replicas: u32, stride: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> grads: array<vec4f>;
@group(0) @binding(2) var<storage, read> hyper: array<f32>;
@group(0) @binding(3) var<storage, read> pace: array<f32>;
@group(0) @binding(4) var<storage, read_write> params: array<vec4f>;
