// Reads 4 x 4 blocks of the factors if both are in memory. Twin: matmul_onehot.wgsl.
alias RawA = mat4x4f;
alias RawB = mat4x4f;

// Both read their four vectors one by one: SwiftShader runs a loop over x[kk] four times slower. Column kk of the result
// contains A[i0 .. i0 + 3, k0 + kk].
fn fetchA(base: u32, i0: u32, k0: u32, kEnd: u32) -> mat4x4f {
  if (A_T) {
    let valid = select(0u, p.m - i0, i0 < p.m);
    let at = base + k0 * p.aRow + i0;
    return mat4x4f(
      loadA(at, room(valid, k0 < kEnd)),
      loadA(at + p.aRow, room(valid, k0 + 1u < kEnd)),
      loadA(at + 2u * p.aRow, room(valid, k0 + 2u < kEnd)),
      loadA(at + 3u * p.aRow, room(valid, k0 + 3u < kEnd)),
    );
  }
  let valid = select(0u, kEnd - k0, k0 < kEnd);
  let at = base + i0 * p.aRow + k0;
  return transpose(mat4x4f(
    loadA(at, room(valid, i0 < p.m)),
    loadA(at + p.aRow, room(valid, i0 + 1u < p.m)),
    loadA(at + 2u * p.aRow, room(valid, i0 + 2u < p.m)),
    loadA(at + 3u * p.aRow, room(valid, i0 + 3u < p.m)),
  ));
}

// Column kk of the result contains B[k0 + kk, j0 .. j0 + 3].
fn fetchB(base: u32, k0: u32, j0: u32, kEnd: u32) -> mat4x4f {
  if (!B_T) {
    let valid = select(0u, p.n - j0, j0 < p.n);
    let at = base + k0 * p.bRow + j0;
    return mat4x4f(
      loadB(at, room(valid, k0 < kEnd)),
      loadB(at + p.bRow, room(valid, k0 + 1u < kEnd)),
      loadB(at + 2u * p.bRow, room(valid, k0 + 2u < kEnd)),
      loadB(at + 3u * p.bRow, room(valid, k0 + 3u < kEnd)),
    );
  }
  let valid = select(0u, kEnd - k0, k0 < kEnd);
  let at = base + j0 * p.bRow + k0;
  return transpose(mat4x4f(
    loadB(at, room(valid, j0 < p.n)),
    loadB(at + p.bRow, room(valid, j0 + 1u < p.n)),
    loadB(at + 2u * p.bRow, room(valid, j0 + 2u < p.n)),
    loadB(at + 3u * p.bRow, room(valid, j0 + 3u < p.n)),
  ));
}
