// Memory and factors of matmul_tiled.wgsl for the gradient of embed's weight as one product (src/kernels/shared/embedBackwardProduct.ts):
//   dW[i, c] = scale * sum over windows k of A[k, i] B[k, c],  i = (place j of the window, symbol u)
//   A: the whitened one-hot rows that embed multiplies, made from the tokens: HIT if window k has symbol u at its j-th place,
//   else MISS; BLANK for all u if that token is masked; 0 if it is outside the sentence. B: dOutput; if GATED and
//   output <= 0: 0.
// Data fetched ahead is used only when it goes to workgroup memory, so that nothing waits for it earlier.
// Everything is a multiple of 4, v included: four neighbouring i have one place. Twin: matmul_vec4.wgsl with matmul_dense.wgsl.
override GATED = false;
override WHITENED = false;
override SYMBOLS: u32; // v
override WINDOWS: u32; // windows of a sentence
override FILTER: u32;
override STRIDE: u32;
override PADDING: u32;
override LENGTH: u32;
override TOKEN_ROW: u32;
override MASKED_AT: i32; // token of a sentence; -1: none
override HIT: f32;
override MISS: f32;
override BLANK: f32;

fn loadB(index: u32, valid: u32) -> vec4f {
  if (valid == 0u) { return vec4f(); }
  return b[index >> 2u];
}
fn loadGate(index: u32, valid: u32) -> vec4f {
  if (valid == 0u) { return vec4f(); }
  return gate[index >> 2u];
}
fn loadC(index: u32, valid: u32) -> vec4f { return c[index >> 2u]; }
fn storeC(index: u32, valid: u32, value: vec4f) { c[index >> 2u] = value; }
// The only epilogue is UPDATE.
fn loadBias(index: u32, valid: u32) -> vec4f { return vec4f(); }
alias MaskWords = vec4f;
fn isPositive(x: MaskWords) -> vec4<bool> { return x > vec4f(); }
fn loadMask(index: u32, valid: u32) -> MaskWords { return vec4f(); }
fn loadResidual(index: u32, valid: u32) -> vec4f { return vec4f(); }

// Position in its sentence of the token of window k at the place of column i.
fn tokenAt(k: u32, i: u32) -> i32 { return i32(k % WINDOWS * STRIDE + i / SYMBOLS) - i32(PADDING); }

fn tokenOf(base: u32, k: u32, i: u32) -> u32 {
  let window = min(k, p.k - 1u);
  return tokens[base + window / WINDOWS * TOKEN_ROW + u32(clamp(tokenAt(window, i), 0, i32(LENGTH) - 1))];
}
fn whitened(token: u32, k: u32, i: u32, kEnd: u32) -> vec4f {
  let at = tokenAt(k, i);
  if (at < 0 || at >= i32(LENGTH) || k >= kEnd || i >= FILTER * SYMBOLS) { return vec4f(); }
  if (WHITENED && at == MASKED_AT) { return vec4f(BLANK); }
  return select(vec4f(MISS), vec4f(HIT), vec4u(token) == vec4u(i % SYMBOLS) + vec4u(0u, 1u, 2u, 3u));
}

// The tokens of windows k0 to k0 + 3 at the place of column i0.
alias RawA = vec4u;
fn fetchA(base: u32, i0: u32, k0: u32, kEnd: u32) -> RawA {
  return vec4u(tokenOf(base, k0, i0), tokenOf(base, k0 + 1u, i0), tokenOf(base, k0 + 2u, i0), tokenOf(base, k0 + 3u, i0));
}

// Column kk of the result contains A[i0 .. i0 + 3, k0 + kk].
fn makeA(raw: RawA, i0: u32, k0: u32, kEnd: u32) -> mat4x4f {
  return mat4x4f(
    whitened(raw.x, k0, i0, kEnd),
    whitened(raw.y, k0 + 1u, i0, kEnd),
    whitened(raw.z, k0 + 2u, i0, kEnd),
    whitened(raw.w, k0 + 3u, i0, kEnd),
  );
}

struct RawB { x: mat4x4f, gate: mat4x4f }
fn fetchB(base: u32, k0: u32, j0: u32, kEnd: u32) -> RawB {
  var raw: RawB;
  let valid = select(0u, p.n - j0, j0 < p.n);
  let at = base + k0 * p.bRow + j0;
  raw.x = mat4x4f(
    loadB(at, room(valid, k0 < kEnd)),
    loadB(at + p.bRow, room(valid, k0 + 1u < kEnd)),
    loadB(at + 2u * p.bRow, room(valid, k0 + 2u < kEnd)),
    loadB(at + 3u * p.bRow, room(valid, k0 + 3u < kEnd)),
  );
  if (GATED) {
    raw.gate = mat4x4f(
      loadGate(at, room(valid, k0 < kEnd)),
      loadGate(at + p.bRow, room(valid, k0 + 1u < kEnd)),
      loadGate(at + 2u * p.bRow, room(valid, k0 + 2u < kEnd)),
      loadGate(at + 3u * p.bRow, room(valid, k0 + 3u < kEnd)),
    );
  }
  return raw;
}
fn makeB(raw: RawB) -> mat4x4f {
  if (!GATED) { return raw.x; }
  return mat4x4f(
    select(vec4f(), raw.x[0], raw.gate[0] > vec4f()),
    select(vec4f(), raw.x[1], raw.gate[1] > vec4f()),
    select(vec4f(), raw.x[2], raw.gate[2] > vec4f()),
    select(vec4f(), raw.x[3], raw.gate[3] > vec4f()),
  );
}
