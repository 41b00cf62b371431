import type { Call, Plan, Program, Tensor } from '../../plan/types.js';
import { matmulOperation } from '../matmul.js';

/**
 * For GPUs: half-precision factors are checked once. A product whose factor an earlier product of the plan has checked, with no
 * write to it since, gets a flag (`seenA`, `seenB`); a product with nothing left to check does not touch `scaling`, which would
 * make it wait for every other product that does. On an H200 the check of a factor costs the large products up to a third: a tile
 * of 128 x 128 has no spare registers.
 */
export function checkFactorsOnce(program: Program): Program {
  const plans = new Map<string, Plan>();
  for (const [name, { calls }] of program.plans) plans.set(name, { name, calls: checkOnce(calls) });
  return { ...program, plans };
}

function checkOnce(calls: readonly Call[]): Call[] {
  const seen = new Map<string, Tensor>(); // by region
  return calls.map((call) => {
    let result = call;
    if (call.op === matmulOperation.op && call.outputs.scaling) {
      const regions = regionsOf(call);
      const params = { ...call.params, seenA: seen.has(regions.a), seenB: seen.has(regions.b) };
      const { scaling, ...outputs } = call.outputs;
      result = { ...call, params, outputs: params.seenA && params.seenB ? outputs : { ...outputs, scaling } };
      seen.set(regions.a, call.inputs.a).set(regions.b, call.inputs.b);
    }
    const written = new Set(Object.values(call.outputs).map(({ buffer }) => buffer));
    for (const [region, { buffer }] of seen) if (written.has(buffer)) seen.delete(region);
    return result;
  });
}

/** The regions of a product's factors. */
function regionsOf(call: Call): { a: string; b: string } {
  const { inputs, params: p } = matmulOperation.typed(call);
  const [rowsA, columnsA] = p.form === 'TN' ? [p.k, p.m] : [p.m, p.k];
  const [rowsB, columnsB] = p.form === 'NT' ? [p.n, p.k] : [p.k, p.n];
  const name = ({ buffer, offset, replicaStride }: Tensor, ...view: number[]) =>
    [buffer, offset, replicaStride, p.groups, ...view].join();
  return {
    a: name(inputs.a, p.aOffset, p.aRow, p.aGroup, rowsA, columnsA),
    b: name(inputs.b, p.bOffset, p.bRow, p.bGroup, rowsB, columnsB),
  };
}
