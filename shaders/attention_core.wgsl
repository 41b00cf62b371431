// Shared by the attention kernels: sizes, the positions of a head's rows, and the layout of tiles in workgroup memory.
//   out[q] = sum_k P[q, k] v[k],  P = softmax over k of S = scale * q . k,  for each replica, sentence and head.
// A thread works on blocks of 4 rows x 4 columns. Tiles are rows of vec4s; quad c of row i is stored at c ^ (i / 4), so that
// 8 neighbouring threads reading 8 rows, 4 apart, use 8 different groups of banks, at no cost in memory.
override TR = 32u; // query rows of a tile, a multiple of 4
override TK = 32u; // keys of a tile, a multiple of 4
override DC = 8u; // vec4s of a head's columns in memory at once
override NH = 1u; // heads per workgroup
override WG = 64u; // threads; NH * TR / 4 * TK / 4 <= WG
override DMASK = 7u; // largest power of 2 that divides DC, at most 8, minus 1
override KMASK = 7u; // the same for TK / 4
const NEVER = -1e30; // score of a pair that is masked out

struct Place { r: u32, b: u32, head: u32, tile: u32 } // head: the workgroup's first

fn placeOf(index: u32) -> Place {
  let tile = index % p.tiles;
  let group = (index / p.tiles) % p.headGroups;
  let b = (index / (p.tiles * p.headGroups)) % p.batch;
  return Place(index / (p.tiles * p.headGroups * p.batch), b, group * NH, tile);
}

// Remaining columns of a head from vec4 `quad` on; 0 for heads and rows that do not exist.
fn columnsLeft(exists: bool, head: u32, quad: u32) -> u32 {
  return select(0u, p.dim - 4u * quad, exists && head < p.heads && 4u * quad < p.dim);
}
// third: 0 q, 1 k, 2 v
fn qkvIndex(replica: u32, b: u32, token: u32, third: u32, head: u32, quad: u32) -> u32 {
  let channels = p.heads * p.dim;
  return replica + (b * p.tokens + token) * 3u * channels + third * channels + head * p.dim + 4u * quad;
}
fn qkvQuad(w: Place, token: u32, third: u32, head: u32, quad: u32) -> vec4f {
  return loadQkv(qkvIndex(w.r * p.qkvReplica, w.b, token, third, head, quad), columnsLeft(token < p.tokens, head, quad));
}
fn outIndex(w: Place, row: u32, head: u32, quad: u32) -> u32 {
  return w.r * p.outReplica + ((w.b * p.queries + row) * p.heads + head) * p.dim + 4u * quad;
}
fn rowIndex(w: Place, row: u32, head: u32) -> u32 { return (w.b * p.heads + head) * p.queries + row; }

fn inD(row: u32, quad: u32) -> u32 { return row * DC + (quad ^ ((row >> 2u) & DMASK)); }
fn inK(row: u32, quad: u32) -> u32 { return row * (TK / 4u) + (quad ^ ((row >> 2u) & KMASK)); }

// acc + a[0] b[0] + ... + a[3] b[3], in this order.
fn mulAdd(a: vec4f, b: mat4x4f, acc: vec4f) -> vec4f {
  return fma(vec4f(a.w), b[3], fma(vec4f(a.z), b[2], fma(vec4f(a.y), b[1], fma(vec4f(a.x), b[0], acc))));
}

// Which of 4 neighbouring keys query row `row` may see.
fn visible(row: u32, key: u32) -> vec4<bool> {
  let keys = vec4u(key, key + 1u, key + 2u, key + 3u);
  let last = select(p.tokens, min(p.tokens, p.queryFirst + row + 1u), p.causal != 0u);
  return keys < vec4u(select(0u, last, row < p.queries));
}
