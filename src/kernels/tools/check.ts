import { threefry } from '../../core/threefry.js';
import { ProgramBuilder } from '../../plan/builder.js';
import type { Executor, HostArray } from '../../plan/executor.js';
import { elementsPerReplica, type Tensor } from '../../plan/types.js';
import type { KernelCase } from '../shared/types.js';

export interface CaseResult {
  name: string;
  ok: boolean;
  /** Worst |difference| over its bound, and where; at most 1 if ok. */
  worst: number;
  where: string;
  bound: string;
}

/** Runs one case on an executor and on the float64 reference, from the same inputs, and compares every output element. */
export async function checkCase(test: KernelCase, executor: Executor, reference: Executor): Promise<CaseResult> {
  const got = await runCase(test, executor);
  const want = await runCase(test, reference);
  let result: CaseResult = { name: test.name, ok: true, worst: 0, where: '', bound: describe(test) };
  for (const slot of Object.keys(want).filter((name) => !test.skip?.includes(name))) {
    const next = compare(slot, got[slot], want[slot], test);
    if (!(next.worst <= result.worst)) result = { ...result, ...next };
  }
  return { ...result, ok: result.worst <= 1 };
}

/** The outputs of one case on one executor, packed [R, ...]. Values of replica r do not depend on the number of replicas. */
export async function runCase(test: KernelCase, executor: Executor): Promise<Record<string, HostArray>> {
  const builder = new ProgramBuilder(test.replicas);
  const plan = builder.plan('case');
  test.build(plan);
  const call = plan.calls[plan.calls.length - 1];
  const loaded = await executor.load(builder.build());
  try {
    const own = [...Object.entries(call.inputs), ...Object.entries(call.outputs)];
    const taken = new Set(own.map(([, { name }]) => name));
    const earlier = plan.calls
      .flatMap(({ inputs }) => Object.values(inputs))
      .filter(({ name }) => !taken.has(name) && taken.add(name));
    for (const [slot, tensor] of [...own, ...earlier.map((tensor) => [tensor.name, tensor] as const)])
      if (tensor.role !== 'activation')
        loaded.write(tensor, fill(tensor, test.fill?.[slot], hash(`${test.name}/${slot}`)));
    await loaded.run('case');
    const outputs: Record<string, HostArray> = {};
    for (const [slot, tensor] of Object.entries(call.outputs)) outputs[slot] = await loaded.read(tensor);
    return outputs;
  } finally {
    loaded.destroy();
  }
}

/** Standard normal in f32 unless the case defines others. Outputs are filled too, so that an element that is not written differs. */
function fill(tensor: Tensor, f: ((i: number, random: () => number) => number) | undefined, seed: number): HostArray {
  const per = elementsPerReplica(tensor);
  const length = per * tensor.shape[0];
  let counter = 0;
  const random = () => (threefry([seed, 0], counter++, 0)[0] + 0.5) / 2 ** 32;
  const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  const make = f ?? (tensor.dtype === 'u32' ? () => 0 : normal);
  const values = Array.from({ length }, (_, i) => make(i % per, random));
  return tensor.dtype === 'u32' ? Uint32Array.from(values) : Float32Array.from(values);
}

function compare(slot: string, got: HostArray, want: HostArray, { rtol, atol }: KernelCase) {
  let worst = 0;
  let where = '';
  for (let i = 0; i < want.length; i++) {
    const ratio = Math.abs(got[i] - want[i]) / (atol + rtol * Math.abs(want[i]));
    if (got[i] === want[i]) continue;
    if (!(ratio <= worst)) {
      worst = Number.isFinite(ratio) ? ratio : Number.POSITIVE_INFINITY;
      where = `${slot}[${i}] = ${got[i]}, reference ${want[i]}`;
    }
    if (worst === Number.POSITIVE_INFINITY) break;
  }
  return { worst, where };
}

function describe(test: KernelCase): string {
  return `${test.atol.toExponential(1)} + ${test.rtol.toExponential(1)} |x|`;
}

function hash(text: string): number {
  let h = 2166136261;
  for (const c of text) h = Math.imul(h ^ c.charCodeAt(0), 16777619);
  return h >>> 0;
}
