/** Violations of the logic of a grammar, and the gradient of their weighted means; the twin of shaders/treeLogic.wgsl. A thread owns nodes. */
import { TreeLogic } from '../../build/assembly/layouts';
import {
  DEPTH_PARENTS,
  DEPTH_RECORD,
  DEPTH_RULES,
  HEADER_DEPTHS,
  HEADER_M,
  SCALING_EXPONENT,
} from '../../build/assembly/words';
import { shareOf } from '../share';
import { field } from '../words';

export function treeLogic(p: TreeLogic, thread: u32, threads: u32): void {
  const rows = p.batch * p.nodes;
  const all = rows * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) oneNode(p, i / rows, i % rows);
}

function oneNode(p: TreeLogic, r: u32, row: u32): void {
  const bytes: u32 = 4 * p.classes;
  const node = row % p.nodes;
  const sentence = p.probabilitiesAt(r) + (row - node) * bytes;
  const own = sentence + node * bytes;
  const image = p.grammarAt(r);
  let depth: u32 = 0;
  let first: u32 = 0;
  let nodes: u32 = 1;
  while (node >= first + nodes) {
    first += nodes;
    nodes *= p.s;
    depth++;
  }
  const factor: f32 = p.scaling ? reinterpret<f32>(load<u32>(p.scalingAt(r), SCALING_EXPONENT) << 23) : 1;
  const each = factor / <f32>(p.batch * p.nodes);
  const inner = factor / <f32>(p.batch * max<u32>((p.nodes - 1) / p.s, 1));
  let d: usize = p.dProbabilities;
  if (d) d = p.dProbabilitiesAt(r) + row * bytes;

  let whole: f32 = 0;
  for (let a: u32 = 0; a < bytes; a += 4) whole += load<f32>(own + a);
  let pairs: f32 = 0;
  for (let a: u32 = 0; a < bytes; a += 4) {
    const others = whole - load<f32>(own + a);
    pairs += load<f32>(own + a) * others;
    if (d) store<f32>(d + a, p.exclusive * each * others);
  }
  const to = p.violationsAt(r) + 12 * row;
  store<f32>(to, 0, 0);
  store<f32>(to, 0, 4);
  store<f32>(to, <f32>0.5 * pairs, 8);
  const below = sentence + (first + nodes + (node - first) * p.s) * bytes;
  if (depth + 1 < p.L) asParent(p, image, depth, own, below, to, d, inner);
  if (d && depth > 0) {
    const place = node - first;
    const above = sentence + (first - nodes / p.s + place / p.s) * bytes;
    asChild(p, image, depth - 1, above, own, place % p.s, d, inner);
  }
}

function asParent(
  p: TreeLogic,
  image: usize,
  depth: u32,
  own: usize,
  child: usize,
  to: usize,
  d: usize,
  inner: f32,
): void {
  const m = field(image, HEADER_M);
  const record = image + HEADER_DEPTHS + depth * DEPTH_RECORD;
  const parents = field(record, DEPTH_PARENTS);
  let symbols = image + 4 * field(record, DEPTH_RULES);
  let parent: f32 = 0;
  let tuple: f32 = 0;
  for (let a: u32 = 0; a < p.classes; a++) {
    let q: f32 = 0;
    if (a < parents)
      for (let k: u32 = 0; k < m; k++, symbols += 4 * p.s) q += product(child, symbols, p.s, p.classes, p.s);
    const here = load<f32>(own + 4 * a);
    parent += here * (<f32>1 - q);
    tuple += q * (<f32>1 - here);
    if (d) store<f32>(d + 4 * a, load<f32>(d + 4 * a) + inner * (p.parent * (<f32>1 - q) - p.tuple * q));
  }
  store<f32>(to, parent, 0);
  store<f32>(to, tuple, 4);
}

function asChild(
  p: TreeLogic,
  image: usize,
  depth: u32,
  above: usize,
  own: usize,
  slot: u32,
  d: usize,
  inner: f32,
): void {
  const m = field(image, HEADER_M);
  const record = image + HEADER_DEPTHS + depth * DEPTH_RECORD;
  const parents = field(record, DEPTH_PARENTS);
  const child = own - 4 * slot * p.classes;
  let symbols = image + 4 * field(record, DEPTH_RULES);
  for (let a: u32 = 0; a < parents; a++) {
    const here = load<f32>(above + 4 * a);
    const weight = inner * (p.tuple * (<f32>1 - here) - p.parent * here);
    for (let k: u32 = 0; k < m; k++, symbols += 4 * p.s) {
      const at = d + 4 * load<u32>(symbols + 4 * slot);
      store<f32>(at, load<f32>(at) + weight * product(child, symbols, slot, p.classes, p.s));
    }
  }
}

/** The product, over the children from `child` on, of the probabilities of a tuple's symbols, excluding slot `left`. */
function product(child: usize, symbols: usize, left: u32, classes: u32, s: u32): f32 {
  let x: f32 = 1;
  for (let i: u32 = 0; i < s; i++)
    if (i != left) x *= load<f32>(child + 4 * (i * classes + load<u32>(symbols + 4 * i)));
  return x;
}
