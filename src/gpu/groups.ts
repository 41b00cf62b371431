import { type HostArray, type LoadedProgram, replicasWritten } from '../plan/executor.js';
import { elementsPerReplica, type Program, spanWords, type Tensor } from '../plan/types.js';

/** Bytes of a tensor's binding. */
export const bindingBytes = (tensor: Tensor): number => Math.ceil(spanWords(tensor) / 4) * 16;

/**
 * The most replicas whose tensors each fit one binding; all of them if a single one does not fit, which the program then refuses.
 * limit: bytes of a binding.
 */
export function replicasThatFit({ replicas, plans }: Program, limit: number): number {
  let most = replicas;
  for (const { calls } of plans.values())
    for (const { inputs, outputs } of calls)
      for (const tensor of [...Object.values(inputs), ...Object.values(outputs)])
        while (most > 1 && bindingBytes(withReplicas(tensor, most)) > limit) most--;
  return most;
}

/** The program of `replicas` of its replicas. All its buffers have the replicas as their first dimension. */
export function programOf(program: Program, replicas: number): Program {
  const cut = (tensors: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, withReplicas(tensor, replicas)]));
  const plans = [...program.plans].map(([name, plan]) => {
    const calls = plan.calls.map((call) => ({ ...call, inputs: cut(call.inputs), outputs: cut(call.outputs) }));
    return [name, { name, calls }] as const;
  });
  return {
    ...program,
    replicas,
    buffers: program.buffers.map((b) => ({ ...b, elements: Math.ceil((b.elements / program.replicas) * replicas) })),
    tensors: new Map([...program.tensors].map(([name, tensor]) => [name, withReplicas(tensor, replicas)])),
    plans: new Map(plans),
  };
}

const withReplicas = (tensor: Tensor, replicas: number): Tensor => ({
  ...tensor,
  shape: [replicas, ...tensor.shape.slice(1)],
});

/** A program loaded in groups of replicas, one after another on the device. A replica's bits do not depend on the others. */
export class ReplicaGroups implements LoadedProgram {
  constructor(
    readonly program: Program,
    readonly groups: readonly LoadedProgram[],
  ) {}

  get memoryBytes(): number {
    return this.groups.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  }

  async run(plan: string, times?: number): Promise<void> {
    for (const group of this.groups) await group.run(plan, times);
  }

  write(tensor: Tensor, data: HostArray | readonly number[], replica?: number): void {
    const [first, end] = replicasWritten(tensor, data, replica);
    const per = elementsPerReplica(tensor);
    let from = 0; // first replica of the group
    for (const group of this.groups) {
      const { replicas } = group.program;
      for (let r = Math.max(first, from); r < Math.min(end, from + replicas); r++)
        group.write(withReplicas(tensor, replicas), data.slice((r - first) * per, (r - first + 1) * per), r - from);
      from += replicas;
    }
  }

  async read(tensor: Tensor): Promise<HostArray> {
    const per = elementsPerReplica(tensor);
    const all = new (tensor.dtype === 'u32' ? Uint32Array : Float32Array)(per * tensor.shape[0]);
    let at = 0;
    for (const group of this.groups) {
      const part = await group.read(withReplicas(tensor, group.program.replicas));
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  async finish(): Promise<void> {
    for (const group of this.groups) await group.finish();
  }

  destroy(): void {
    for (const group of this.groups) group.destroy();
  }
}
