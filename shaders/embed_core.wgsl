// What the kernels of the first layer on tokens share: sizes, strides and buffers. Value is put in front of this text.
// Overrides, because a division by a number known to the compiler costs a tenth of the other.
override PER_SENTENCE: u32; // windows of a sentence that one row of the grid walks over: all, or 1 where each has its filter
override WHITENED = false;
override RELU = false;
override POSITION_INSIDE = false; // the position's vector is added before scaling

struct Params {
  batch: u32, windows: u32, length: u32, width: u32,
  v: u32, filterSize: u32, stride: u32, padding: u32,
  firstToken: u32, tokenRow: u32, masked: i32, local: u32,
  tokenReplica: u32, weightReplica: u32, positionReplica: u32, outputReplica: u32,
  positionRows: u32, scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<Value>;
@group(0) @binding(3) var<storage, read> position: array<Value>;
@group(0) @binding(4) var<storage, read_write> output: array<Value>;
