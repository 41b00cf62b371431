import type { AdapterTraits } from '../../gpu/dispatch.js';
import type { Call, Plan, Program, Tensor } from '../../plan/types.js';
import { embed, storesHalves } from '../embed.js';
import { matmulOperation } from '../matmul.js';
import { takesStoredHalves } from './matmulLaunch.js';

/**
 * For GPUs with matrix units: the call that computes an activation, or its gradient, stores it as f16 if only products with
 * half-precision factors read it. No result changes by a bit, since the products would round the same numbers in the same way; a
 * training step moves about half the bytes, and more of them stay in the cache: hcnn at batch 1024 takes 341 us on an H200 instead
 * of 390. A ReLU's output may also be a product's mask: halves.wgsl distinguishes what rounds to zero from zero.
 *
 * It applies only to plans that change parameters or write gradients: the host may read activations of other plans.
 */
export function storeHalves(program: Program, traits: AdapterTraits): Program {
  if (!traits.matrixUnits) return program;
  const plans = new Map<string, Plan>();
  for (const [name, { calls }] of program.plans) {
    const trains = calls.some(({ outputs }) =>
      Object.values(outputs).some(({ role }) => role === 'parameter' || role === 'gradient'),
    );
    plans.set(name, { name, calls: trains ? storePlan(calls, traits) : calls });
  }
  return { ...program, plans };
}

function storePlan(calls: readonly Call[], traits: AdapterTraits): readonly Call[] {
  const stored = new Set<string>();
  const others = new Set<string>(); // buffers with a reader that needs f32
  const makers = new Map<string, Call[]>();
  for (const call of calls) {
    const factors = inputsStored(call, traits);
    for (const [name, { buffer }] of Object.entries(call.inputs)) (factors.has(name) ? stored : others).add(buffer);
    for (const { buffer } of Object.values(call.outputs)) makers.set(buffer, [...(makers.get(buffer) ?? []), call]);
  }
  const halves = new Set<string>();
  for (const buffer of stored) {
    const [maker, ...more] = makers.get(buffer) ?? [];
    if (!maker || more.length > 0 || others.has(buffer)) continue;
    const isMask = calls.some(({ inputs: { mask } }) => mask?.buffer === buffer);
    if (isStorable(maker, buffer, traits) && (!isMask || maker.params.relu)) halves.add(buffer);
  }
  const mark = (tensors: Call['inputs']) =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, t]): [string, Tensor] => [
        name,
        halves.has(t.buffer) ? { ...t, half: true } : t,
      ]),
    );
  return calls.map((call) => ({ ...call, inputs: mark(call.inputs), outputs: mark(call.outputs) }));
}

/** Names of the inputs that a call can read as f16. */
function inputsStored(call: Call, traits: AdapterTraits): ReadonlySet<string> {
  if (call.op !== matmulOperation.op) return new Set();
  return new Set(takesStoredHalves(matmulOperation.typed(call), traits) ? ['a', 'b', 'mask'] : []);
}

/** Whether a call, the only one that writes this activation, can store all of it as f16. */
function isStorable(call: Call, buffer: string, traits: AdapterTraits): boolean {
  const [output] = Object.values(call.outputs).filter((tensor) => tensor.buffer === buffer);
  if (output.role !== 'activation') return false;
  if (call.op === embed.op) return storesHalves(embed.typed(call), traits);
  if (call.op !== matmulOperation.op) return false;
  const typed = matmulOperation.typed(call);
  return !typed.params.accumulate && !typed.inputs.pace && takesStoredHalves(typed, traits);
}
