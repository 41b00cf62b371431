// Factors of the attention kernels. HALF: rounded to f16; a number that does not fit becomes the largest half and, with
// FLAGS, marks its replica's step. NATIVE: by WGSL's f16 instead of integers (half.wgsl); how adapters treat ties and
// subnormals is checked by the cases of matmul.
#if PLAIN
fn rounded(x: vec4f, r: u32) -> vec4f { return x; }
#end
#if HALF
fn rounded(x: vec4f, r: u32) -> vec4f {
#if FLAGS
  if (any(abs(x) >= vec4f(65520.0))) { atomicOr(&scaling[r * SCALING_WORDS + SCALING_OVERFLOW], 1u); }
#end
#if NATIVE
  return vec4f(vec4<f16>(clamp(x, vec4f(-65504.0), vec4f(65504.0))));
#end
#if INTEGER
  return toHalf4(x);
#end
}
#end

// Element type of the tiles of factors in workgroup memory: halves if the adapter has them, so that twice as many workgroups
// fit on a multiprocessor. Rounded factors lose nothing.
#if PACKED
alias Kept = vec4<f16>;
#end
#if UNPACKED
alias Kept = vec4f;
#end
fn kept(x: vec4f) -> Kept { return Kept(x); }
fn wide(x: Kept) -> vec4f { return vec4f(x); }
