// What the gradients of the embedding on Values share: sizes, strides and buffers. Value is put in front of this text.
// Overrides, because a division by a number known to the compiler costs a tenth of the other.
override PER_SENTENCE: u32; // windows of a sentence that belong to one filter: all, or 1 where each has its own
override WHITENED = false;
override RELU = false;

struct Params {
  batch: u32, windows: u32, length: u32, width: u32,
  v: u32, filterSize: u32, stride: u32, padding: u32,
  firstToken: u32, tokenRow: u32, masked: i32, local: u32,
  tokenReplica: u32, outputReplica: u32, dOutputReplica: u32, dWeightReplica: u32,
  scale: f32, rowsPerSplit: u32, splits: u32, replicas: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> output: array<Value>;
@group(0) @binding(3) var<storage, read> dOutput: array<Value>;
@group(0) @binding(4) var<storage, read_write> dWeight: array<Value>; // or partial sums [splits, R * groups, filter * v, width]
