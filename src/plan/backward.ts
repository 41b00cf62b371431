/**
 * The backward calls of a recorded forward pass. Each operation defines how the gradients of its inputs follow from those of its
 * outputs (a GradientRule); this file determines which of them are needed, in what order they are written, and which are sums.
 *
 * Calls are processed in reverse order. A gradient that several calls contribute to is written by one of them, the leader, and
 * the others add to it. The leader covers the whole tensor; if one of them cannot add, that one is the leader. Contributions
 * before the leader wait for it. Contributions to disjoint parts of a tensor need no leader. Within a call the gradients of
 * activations come before those of parameters, so that a product may update a weight instead of writing its gradient
 * (src/kernels/shared/fuseUpdate.ts).
 */
import { ShapeError } from '../core/errors.js';
import type { PlanBuilder } from './builder.js';
import { coveredOnce, covers, type Region } from './regions.js';
import type { Call, Tensor } from './types.js';

/** The destination of a contribution. */
export interface GradientTarget {
  tensor: Tensor; // same shape as the input
  accumulate: boolean; // add to the existing values
  mask?: Tensor; // the input itself, if it is the result of a ReLU: the gradient passes where it is > 0
}

/** The contribution of one call to the gradient of one of its inputs. */
export interface Contribution {
  input: Tensor;
  /** Part of the input; default: all of it. */
  region?: Region;
  /** Whether `write` respects these fields of its target; otherwise a copy does the work. */
  accumulates?: boolean;
  masks?: boolean;
  write(target: GradientTarget): void;
}

export interface GradientPass {
  readonly plan: PlanBuilder;
  /** Whether this input depends on a parameter. */
  wants(input: Tensor | undefined): input is Tensor;
  /** The gradient of one of the call's outputs, with that output's shape; complete by the time a contribution is written. */
  of(output: Tensor): Tensor;
  /** Adds a contribution; one to an input that needs no gradient is dropped. */
  add(contribution: Contribution): void;
  /** Several gradients by one call: `write` gets a target for each, including those that need none. */
  addTogether(
    parts: readonly Omit<Contribution, 'write' | 'region'>[],
    write: (targets: GradientTarget[]) => void,
  ): void;
  /** The gradient of `output` is also that of `input`, unchanged. */
  pass(input: Tensor, output: Tensor): void;
}

export type GradientRule = (call: Call, pass: GradientPass) => void;

/** What the pass needs to know of the operations. */
export interface GradientOperations {
  /** By operation; undefined: it has no gradient. */
  rule(op: string): GradientRule | undefined;
  /** Whether the call ends in a ReLU on this output. */
  isRectified(call: Call, output: Tensor): boolean;
  /** to = (to +) from, where mask > 0. */
  copy(plan: PlanBuilder, label: string, from: Tensor, to: GradientTarget): void;
  /** Sets every element to 0; `like` is another tensor of the same length. */
  clear(plan: PlanBuilder, label: string, tensor: Tensor, like: Tensor): void;
}

/**
 * Adds to `plan` the calls that write the gradient of every parameter that `calls` use, given dResult, the gradient of their result.
 * @throws ShapeError naming the call if an operation between a parameter and the result has no gradient, and the parameter if the
 * result does not depend on it. parametersLast: gradients of parameters come after all those of activations, which then stay in memory
 * longer.
 */
export function addGradients(
  plan: PlanBuilder,
  calls: readonly Call[],
  result: Tensor,
  dResult: Tensor,
  operations: GradientOperations,
  parametersLast = false,
): void {
  new Backward(plan, calls, operations, parametersLast).run(result, dResult);
}

/** A contribution, or several of one call that are written together. */
interface Entry {
  call: number; // index
  parts: Part[];
  /** Writes them; or the output whose gradient is passed on unchanged. */
  write: ((targets: GradientTarget[]) => void) | Tensor;
}

interface Part extends Omit<Contribution, 'write'> {
  key: string;
  wanted: boolean;
}

interface Gradient {
  input: Tensor;
  tensor?: Tensor;
  /** All contributions, in the order of their calls (the last call first). */
  parts: { entry: Entry; part: Part }[];
  leader: Entry | 'none needed' | 'cleared' | undefined;
  waiting: Entry[];
}

class Backward implements GradientPass {
  readonly #needed = new Set<string>(); // tensors that depend on a parameter
  readonly #rectified = new Map<string, Tensor>();
  readonly #firstWriter = new Map<string, number>();
  readonly #gradients = new Map<string, Gradient>();
  readonly #entries: Entry[][]; // by call
  #at = 0; // the call whose rule is running, or whose contributions are being written

  constructor(
    readonly plan: PlanBuilder,
    readonly calls: readonly Call[],
    readonly operations: GradientOperations,
    readonly parametersLast: boolean,
  ) {
    this.#entries = calls.map(() => []);
    calls.forEach((call, index) => {
      const inputs = Object.values(call.inputs);
      for (const input of inputs) if (input.role === 'parameter') this.#needed.add(keyOf(input));
      const depends = inputs.some((input) => this.#needed.has(keyOf(input)));
      for (const output of Object.values(call.outputs)) {
        const key = keyOf(output);
        if (depends) this.#needed.add(key);
        if (this.#rectified.has(key))
          throw new ShapeError(`${call.label}: changes ${output.name} after its ReLU in place; write another tensor`);
        if (operations.isRectified(call, output)) this.#rectified.set(key, output);
        if (!this.#firstWriter.has(key)) this.#firstWriter.set(key, index);
      }
    });
  }

  run(result: Tensor, dResult: Tensor): void {
    if (!this.#needed.has(keyOf(result)))
      throw new ShapeError(
        `${result.name}: it depends on no parameter, so that nothing can be learnt; compute it from a parameter`,
      );
    const reached = new Set([keyOf(result)]);
    // All contributions are known before the first is written.
    for (let index = this.calls.length - 1; index >= 0; index--) {
      const call = this.calls[index];
      const outputs = Object.values(call.outputs);
      const depends = outputs.some((output) => this.#needed.has(keyOf(output)));
      if (!depends || !outputs.some((output) => reached.has(keyOf(output)))) continue;
      const rule = this.operations.rule(call.op);
      if (!rule)
        throw new ShapeError(`${call.label}: the operation ${call.op} has no gradient; use operations that have one`);
      this.#at = index;
      rule(call, this);
      for (const { parts } of this.#entries[index]) for (const part of parts) if (part.wanted) reached.add(part.key);
    }
    this.#checkParameters(reached);
    for (const gradient of this.#gradients.values()) gradient.leader = leaderOf(gradient);
    this.#gradients.set(keyOf(result), this.#seed(result, dResult));
    for (let index = this.calls.length - 1; index >= 0; index--) {
      this.#at = index;
      const entries = this.#entries[index];
      for (const isParameter of this.parametersLast ? [false] : [false, true])
        for (const entry of entries) if (isOfParameters(entry) === isParameter && !isPass(entry)) this.#turn(entry);
      for (const entry of entries) if (isPass(entry)) this.#turn(entry);
    }
    if (this.parametersLast) this.#parameters();
  }

  /**
   * Gradients of parameters, after those of activations. The first layer's come first: the gradients of activations that they need
   * were written last and are still in a GPU's cache. Each parameter's contributions keep their order, and so the bits of their
   * sum.
   */
  #parameters(): void {
    const byParameter = new Map<string, Entry[]>();
    for (const entry of this.#entries.toReversed().flat()) {
      if (!isOfParameters(entry) || isPass(entry)) continue;
      const key = entry.parts.map((part) => part.key).join();
      byParameter.set(key, [...(byParameter.get(key) ?? []), entry]);
    }
    for (const entry of [...byParameter.values()].reverse().flat()) {
      this.#at = entry.call;
      this.#turn(entry);
    }
  }

  wants(input: Tensor | undefined): input is Tensor {
    return input !== undefined && this.#needed.has(keyOf(input));
  }

  of(output: Tensor): Tensor {
    const gradient = this.#gradients.get(keyOf(output))?.tensor;
    if (!gradient)
      throw new ShapeError(
        `${output.name}: its gradient was requested before it is known; request it in the rule of the call that writes it`,
      );
    return { ...gradient, shape: output.shape };
  }

  add({ write, ...part }: Contribution): void {
    if (this.wants(part.input)) this.#register([part], (targets) => write(targets[0]));
  }

  addTogether(parts: readonly Omit<Contribution, 'write' | 'region'>[], write: (t: GradientTarget[]) => void): void {
    if (parts.some(({ input }) => this.wants(input))) this.#register(parts, write);
  }

  pass(input: Tensor, output: Tensor): void {
    if (!this.wants(input)) return;
    this.#register([{ input, accumulates: true, masks: true }], output);
  }

  #register(parts: readonly Omit<Contribution, 'write'>[], write: Entry['write']): void {
    const entry: Entry = {
      call: this.#at,
      parts: parts.map((part) => ({ ...part, key: keyOf(part.input), wanted: this.wants(part.input) })),
      write,
    };
    this.#entries[this.#at].push(entry);
    for (const part of entry.parts) {
      if (!part.wanted) continue;
      const gradient = this.#gradients.get(part.key) ?? {
        input: part.input,
        parts: [],
        leader: undefined,
        waiting: [],
      };
      gradient.parts.push({ entry, part });
      this.#gradients.set(part.key, gradient);
    }
  }

  #seed(result: Tensor, dResult: Tensor): Gradient {
    const others = this.#gradients.get(keyOf(result));
    if (others)
      throw new ShapeError(
        `${result.name}: the result of the forward pass is an input of one of its calls too; end with a call whose output nothing reads`,
      );
    const mask = this.#rectified.get(keyOf(result));
    let tensor = dResult;
    if (mask) {
      tensor = this.#activation(result);
      this.operations.copy(this.plan, `${result.name} gradient`, dResult, { tensor, accumulate: false, mask });
    }
    return { input: result, tensor, parts: [], leader: 'none needed', waiting: [] };
  }

  #checkParameters(reached: ReadonlySet<string>): void {
    for (const call of this.calls)
      for (const input of Object.values(call.inputs))
        if (input.role === 'parameter' && !reached.has(keyOf(input)))
          throw new ShapeError(
            `${call.label}: the result does not depend on the parameter ${input.name}; use it, or leave the call out`,
          );
  }

  /** An entry is written now, or once the leader of a gradient has been written. */
  #turn(entry: Entry): void {
    // Parts that are written together are not deferred: those that have to wait for a leader are written to temporary tensors.
    const [part] = entry.parts;
    const gradient = entry.parts.length === 1 ? this.#gradients.get(part.key)! : undefined;
    if (gradient && typeof gradient.leader === 'object' && gradient.leader !== entry && !gradient.tensor) {
      gradient.waiting.push(entry);
      return;
    }
    this.#write(entry);
    for (const { key, wanted } of entry.parts) {
      if (!wanted) continue;
      const written = this.#gradients.get(key)!;
      if (written.leader !== entry) continue;
      for (const waiting of written.waiting.splice(0)) this.#write(waiting);
    }
  }

  #write(entry: Entry): void {
    const label = this.calls[entry.call].label;
    if (typeof entry.write !== 'function') {
      this.#hand(entry, entry.write, label);
      return;
    }
    const aside: { from: Tensor; to: GradientTarget }[] = [];
    const targets = entry.parts.map((part): GradientTarget => {
      if (!part.wanted) return { tensor: this.#activation(part.input), accumulate: false };
      const target = this.#target(part, label);
      if ((target.accumulate && !part.accumulates) || (target.mask && !part.masks)) {
        if (part.region)
          throw new ShapeError(
            `${label}: no gradient can be added to a part of ${part.input.name} [${part.input.shape}]; read the whole tensor`,
          );
        const tensor = this.#activation(part.input);
        aside.push({ from: tensor, to: target });
        return { tensor, accumulate: false };
      }
      return target;
    });
    entry.write(targets);
    for (const { from, to } of aside) this.operations.copy(this.plan, `${label} gradient sum`, from, to);
  }

  /** The tensor to which a part is written, and whether it already contains values. */
  #target(part: Part, label: string): GradientTarget {
    const gradient = this.#gradients.get(part.key)!;
    const mask = this.#rectified.get(part.key);
    const accumulate = gradient.tensor !== undefined && gradient.leader !== 'none needed';
    if (!gradient.tensor) {
      gradient.tensor = this.#allocate(gradient.input);
      if (gradient.leader === 'cleared') {
        this.operations.clear(this.plan, `${label} gradient start`, gradient.tensor, gradient.input);
        return { tensor: gradient.tensor, accumulate: true, mask };
      }
    }
    if (accumulate) this.#own(gradient, label);
    return { tensor: gradient.tensor, accumulate, mask };
  }

  /** Passes an output's gradient on: as the same tensor if this is the first contribution, otherwise added. */
  #hand(entry: Entry, output: Tensor, label: string): void {
    const [part] = entry.parts;
    const gradient = this.#gradients.get(part.key)!;
    const from = this.of(output);
    const passesUnchanged = !this.#rectified.has(part.key) && part.input.role === 'activation';
    if (!gradient.tensor && gradient.leader === entry && passesUnchanged && from.role === 'activation') {
      gradient.tensor = { ...from, shape: gradient.input.shape };
      return;
    }
    this.operations.copy(this.plan, `${label} gradient sum`, from, this.#target(part, label));
  }

  /** A gradient that was passed on is one tensor for two gradients: before anything is added to it, the other must have been used. */
  #own(gradient: Gradient, label: string): void {
    const { tensor, input } = gradient;
    if (input.role === 'parameter') return; // it has a separate place
    const shared = [...this.#gradients.values()].some(
      (other) =>
        other !== gradient &&
        other.tensor?.buffer === tensor!.buffer &&
        other.tensor.offset === tensor!.offset &&
        this.#isAwaited(other),
    );
    if (!shared) return;
    gradient.tensor = this.#activation(input);
    this.operations.copy(this.plan, `${label} gradient copy`, tensor!, { tensor: gradient.tensor, accumulate: false });
  }

  /** Whether contributions that read this gradient have not been written yet. */
  #isAwaited({ input }: Gradient): boolean {
    const waits = [...this.#gradients.values()].some(({ waiting }) =>
      waiting.some(({ call }) => Object.values(this.calls[call].outputs).some((t) => keyOf(t) === keyOf(input))),
    );
    return waits || this.parametersLast || (this.#firstWriter.get(keyOf(input)) ?? Infinity) <= this.#at;
  }

  #allocate(input: Tensor): Tensor {
    return input.role === 'parameter'
      ? { ...this.plan.program.gradient(input.name), shape: input.shape }
      : this.#activation(input);
  }

  #activation(like: Tensor): Tensor {
    return this.plan.activation(`${like.name} gradient`, like.shape.slice(1));
  }
}

const isOfParameters = ({ parts }: Entry): boolean => parts.every(({ input }) => input.role === 'parameter');

const isPass = ({ write }: Entry): boolean => typeof write !== 'function';

/** Tensors at the same place in memory have the same gradient, whatever their shapes. */
function keyOf(tensor: Tensor): string {
  return `${tensor.buffer}:${tensor.offset}`;
}

function leaderOf({ input, parts }: Gradient): Gradient['leader'] {
  const isWhole = ({ part }: { part: Part }) => !part.region || covers(part.region, input);
  if (parts.length === 1 && isWhole(parts[0])) return parts[0].entry;
  const whole = parts.filter(isWhole);
  if (whole.length) return (whole.find(({ part }) => !part.accumulates) ?? whole[0]).entry;
  return coveredOnce(
    input,
    parts.map(({ part }) => part.region!),
  )
    ? 'none needed'
    : 'cleared';
}
