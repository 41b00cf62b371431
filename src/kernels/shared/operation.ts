/**
 * One definition per operation. Its tensors and parameters determine the type and the checks of a call, the uniform block and the
 * bindings of its shaders, and the layout that assembly/kernels/<name>.ts reads (written by ../tools/assembly.ts).
 */
import { ShapeError } from '../../core/errors.js';
import {
  type AdapterTraits,
  type Binding,
  type Dispatch,
  dispatchOf,
  type NamedWord,
  namedWords,
  type Scratch,
  type Shader,
  type Word,
} from '../../gpu/dispatch.js';
import type { GradientPass, GradientRule } from '../../plan/backward.js';
import type { PlanBuilder } from '../../plan/builder.js';
import { type Call, elementsPerReplica, type ParamValue, type Tensor } from '../../plan/types.js';
import { at, type ShareScratch, stride, type WasmCommand, type WasmWord } from '../../wasm/command.js';
import {
  bindDimensions,
  checkTensor,
  type DimensionsOf,
  dimensionNames,
  type ParsedSpec,
  parseSpec,
  Sizes,
  type TensorSpecs,
  type Tensors,
  type ViewsOf,
} from './dimensions.js';
import { misfit, type Param, u32, wordOf } from './params.js';
import type { Cost, HostViews, KernelCase, KernelSpec } from './types.js';

type ParamSpecs = Readonly<Record<string, Param<ParamValue, boolean>>>;
type ValueOf<P> = P extends Param<infer T, boolean> ? T : never;
type OptionalParams<P extends ParamSpecs> = { [K in keyof P]: P[K]['optional'] extends true ? K : never }[keyof P];

/** Arguments of a caller: tensors and parameters by name. */
export type OptionsOf<I extends TensorSpecs, O extends TensorSpecs, P extends ParamSpecs> = {
  label: string;
} & Tensors<I> &
  Tensors<O> & { readonly [K in Exclude<keyof P, OptionalParams<P>>]: ValueOf<P[K]> } & {
    readonly [K in OptionalParams<P>]?: ValueOf<P[K]>;
  };

/** Contents of a call: the parameters, and every dimension and computed size by its name. */
export type ParamsOf<I extends TensorSpecs, O extends TensorSpecs, P extends ParamSpecs, S extends string> = Readonly<
  Record<DimensionsOf<I> | DimensionsOf<O> | S, number>
> & { readonly [K in keyof P]: ValueOf<P[K]> };

/** Tensors, parameters and sizes together. */
export type Given<I extends TensorSpecs, O extends TensorSpecs, P extends ParamSpecs, S extends string> = Tensors<I> &
  Tensors<O> &
  ParamsOf<I, O, P, S>;

/** What a launch adds to its call. */
export interface Launch extends Partial<Omit<Shader, 'words' | 'bind'>> {
  readonly source: string;
  readonly workgroups: readonly [number, number, number];
  readonly words?: Readonly<Record<string, Word>>;
  /** By their names in the shader; a bare tensor is read, or written if it is an output of that name. */
  readonly bind?: Readonly<Record<string, Tensor | Binding | undefined>>;
}

export interface TypedCall<I extends TensorSpecs, O extends TensorSpecs, P extends ParamSpecs, S extends string> {
  readonly label: string;
  readonly inputs: Tensors<I>;
  readonly outputs: Tensors<O>;
  readonly params: ParamsOf<I, O, P, S>;
  readonly replicas: number;
  /**
   * A dispatch whose words are the call's parameters, `replicas`, `<name>Replica` for every tensor bound, and `words`, which take
   * precedence if names coincide. Without `bind` every tensor of the call is bound, inputs for reading, outputs for writing.
   */
  launch(o: Launch): Dispatch;
}

type AssemblyType = 'address' | 'u32' | 'i32' | 'f32';
type AssemblyWords = Readonly<Record<string, AssemblyType>>;

/** A command. words: those of the operation, and others that override the layout's words from the call. */
export interface AssemblyLaunch<W extends AssemblyWords> {
  readonly kernel?: string; // default: the one of the operation's name
  readonly parts: number;
  readonly threadBytes?: number;
  readonly words?: { readonly [K in keyof W]: W[K] extends 'address' ? WasmWord : number } & Readonly<
    Record<string, WasmWord>
  >;
}

export interface Definition<
  I extends TensorSpecs,
  O extends TensorSpecs,
  P extends ParamSpecs,
  S extends string,
  W extends AssemblyWords,
> {
  readonly name: string;
  readonly inputs: I;
  readonly outputs: O; // written; also read if the operation accumulates
  readonly params?: P;
  /**
   * In order: sizes that do not follow from the dimensions of any tensor. If a dimension is among them, it is checked instead of
   * taken from a tensor.
   */
  readonly sizes?: Readonly<Record<S, (given: Given<NoInfer<I>, NoInfer<O>, NoInfer<P>, never>) => number>>;
  /**
   * Refuses calls that are within ranges and dimensions but not possible; runs before the tensors' shapes are compared with the
   * sizes.
   */
  check?(given: Given<NoInfer<I>, NoInfer<O>, NoInfer<P>, NoInfer<S>>, refuse: (why: string) => never): void;
  /** One replica in float64. */
  reference(
    views: ViewsOf<NoInfer<I>> & ViewsOf<NoInfer<O>>,
    params: ParamsOf<NoInfer<I>, NoInfer<O>, NoInfer<P>, NoInfer<S>>,
  ): void;
  webgpu(
    call: TypedCall<NoInfer<I>, NoInfer<O>, NoInfer<P>, NoInfer<S>>,
    traits: AdapterTraits,
    scratch: Scratch,
  ): Dispatch[];
  readonly wasm: {
    /** Functions of assembly/kernels/<name>.ts; default: the one with the operation's name. */
    readonly kernels?: readonly string[];
    /** They need per-thread memory. */
    readonly scratch?: boolean;
    /** Words in addition to the call's tensors, strides, replicas and parameters. */
    readonly words?: W;
    launch(
      call: TypedCall<NoInfer<I>, NoInfer<O>, NoInfer<P>, NoInfer<S>>,
      scratch: ShareScratch,
    ): AssemblyLaunch<NoInfer<W>>[];
  };
  /** Of one replica. */
  cost(
    params: ParamsOf<NoInfer<I>, NoInfer<O>, NoInfer<P>, NoInfer<S>>,
    call: TypedCall<NoInfer<I>, NoInfer<O>, NoInfer<P>, NoInfer<S>>,
  ): Cost;
  /** Made on demand. */
  cases(): readonly KernelCase[];
  /** How the gradients of its inputs follow from those of its outputs, as calls of operations; undefined: it has no gradient. */
  gradient?(call: TypedCall<NoInfer<I>, NoInfer<O>, NoInfer<P>, NoInfer<S>>, pass: GradientPass): void;
}

/** What assembly/ needs to know of an operation: the words of its commands, and the functions that perform them. */
export interface Layout {
  readonly op: string;
  readonly fields: ReadonlyMap<string, AssemblyType>;
  readonly kernels: readonly string[];
  readonly scratch: boolean;
  readonly names: ReadonlyMap<string, readonly string[]>; // parameter -> the meaning of its indices
}

/** Adds a call to a plan; also has everything that executors, tests and tools need to know of the operation. */
export interface Operation<Options = never, Typed = unknown> extends KernelSpec {
  /** @throws ShapeError naming the operation, the label, what does not fit, what was given and what to pass. */
  (plan: PlanBuilder, options: Options): void;
  /** A call of this operation as seen by its definition. */
  typed(call: Call): Typed;
  readonly layout: Layout;
  readonly inputs: TensorSpecs;
  readonly outputs: TensorSpecs;
  gradient?: GradientRule;
}

export function defineOperation<
  const I extends TensorSpecs,
  const O extends TensorSpecs,
  const P extends ParamSpecs = Record<never, never>,
  S extends string = never,
  const W extends AssemblyWords = Record<never, never>,
>(d: Definition<I, O, P, S, W>): Operation<OptionsOf<I, O, P>, TypedCall<I, O, P, S>> {
  const specs = new Map(Object.entries({ ...d.inputs, ...d.outputs }).map(([name, text]) => [name, parseSpec(text)]));
  const params = new Map<string, Param<ParamValue, boolean>>(Object.entries(d.params ?? {}));
  const computed = new Map(Object.entries<(given: Given<I, O, P, never>) => number>(d.sizes ?? {}));
  const layout = layoutOf(d.name, specs, params, computed.keys(), d.wasm);

  function add(plan: PlanBuilder, options: OptionsOf<I, O, P>): void {
    const refuse = (why: string): never => {
      throw new ShapeError(`${d.name} (${options.label}): ${why}`);
    };
    const given = new Map<string, unknown>(Object.entries(options));
    const tensors = tensorsOf(specs, given, refuse);
    const values: Record<string, ParamValue> = {};
    for (const [name, spec] of params) {
      const value = given.get(name) ?? spec.default;
      if (value === undefined && spec.optional) continue;
      const why = misfit(name, spec, value);
      if (why) refuse(why);
      values[name] = value as ParamValue;
    }
    const sizes = new Sizes(
      Object.entries(values).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
    );
    for (const [name, tensor] of tensors)
      bindDimensions(sizes, specs.get(name)!, tensor, computed, (why) => refuse(`${name} ${why}`));
    const known: Record<string, unknown> = { ...Object.fromEntries(tensors), ...values, ...Object.fromEntries(sizes) };
    for (const [name, size] of computed) {
      const value = size(known as Given<I, O, P, never>);
      const why = misfit(name, params.get(name) ?? u32(), value);
      if (why) refuse(why);
      known[name] = value;
      if (params.has(name)) values[name] = value;
      sizes.set(name, value);
    }
    d.check?.(known as Given<I, O, P, S>, refuse);
    for (const [name, tensor] of tensors)
      checkTensor(sizes, specs.get(name)!, tensor, plan.replicas, (why) => refuse(`${name} ${why}`));
    const pick = (of: TensorSpecs) => Object.fromEntries([...tensors].filter(([name]) => name in of));
    const all = { ...Object.fromEntries(sizes), ...values };
    plan.call({ op: d.name, label: options.label, inputs: pick(d.inputs), outputs: pick(d.outputs), params: all });
  }

  const typed = (call: Call): TypedCall<I, O, P, S> => ({
    label: call.label,
    inputs: call.inputs as Tensors<I>,
    outputs: call.outputs as Tensors<O>,
    params: call.params as ParamsOf<I, O, P, S>,
    replicas: replicasOf(call),
    launch: (o) => launchOf(d.name, specs, params, d.outputs, call, o),
  });

  let cases: readonly KernelCase[] | undefined;
  const operation = Object.assign(add, {
    op: d.name,
    typed,
    inputs: d.inputs,
    outputs: d.outputs,
    layout,
    reference(call: Call, views: HostViews) {
      const tensors = Object.entries({ ...call.inputs, ...call.outputs });
      for (let r = 0; r < replicasOf(call); r++) {
        const rows = tensors.map(([name, tensor]) => {
          const { data, stride: step } = views[name];
          return [name, data.subarray(r * step, r * step + elementsPerReplica(tensor))];
        });
        d.reference(Object.fromEntries(rows), call.params as ParamsOf<I, O, P, S>);
      }
    },
    webgpu: (call: Call, traits: AdapterTraits, scratch: Scratch) => d.webgpu(typed(call), traits, scratch),
    wasm(call: Call, scratch: ShareScratch): WasmCommand[] {
      const launched = d.wasm.launch(typed(call), scratch);
      const words = assemblyWords(params, call);
      return launched.map(({ kernel = d.name, parts, threadBytes, words: own = {} }) => {
        const word = (name: string): WasmWord => {
          const value: WasmWord = new Map<string, WasmWord>(Object.entries(own)).get(name) ?? words.get(name) ?? 0;
          return layout.fields.get(name) === 'f32' && typeof value === 'number' ? { f32: value } : value;
        };
        return { kernel, words: [...layout.fields.keys()].map(word), parts, threadBytes };
      });
    },
    cost(call: Call): Cost {
      const { flops, bytes } = d.cost(call.params as ParamsOf<I, O, P, S>, typed(call));
      return { flops: flops * replicasOf(call), bytes: bytes * replicasOf(call) };
    },
    cases: [],
    gradient: d.gradient && ((call: Call, pass: GradientPass) => d.gradient?.(typed(call), pass)),
  });
  // Object.assign would call a getter: cases are made on demand.
  return Object.defineProperty(operation, 'cases', { get: () => (cases ??= d.cases()) });
}

/** Gives an operation its gradient in the file of the operation that computes it, which is defined with it and so comes later. */
export function gradientOf<Options, Typed>(
  operation: Operation<Options, Typed>,
  rule: (call: Typed, pass: GradientPass) => void,
): void {
  operation.gradient = (call, pass) => rule(operation.typed(call), pass);
}

function replicasOf(call: Call): number {
  return Object.values(call.outputs)[0].shape[0];
}

/** The tensors that were given, including all required ones. */
function tensorsOf(
  specs: ReadonlyMap<string, ParsedSpec>,
  given: ReadonlyMap<string, unknown>,
  refuse: (why: string) => never,
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, { optional, dims }] of specs) {
    const tensor = given.get(name) as Tensor | undefined;
    if (tensor) tensors.set(name, tensor);
    else if (!optional) refuse(`${name} is missing; pass [${['R', ...dims].join(', ')}]`);
  }
  return tensors;
}

/** Its own words first, then the parameters, the replicas, and the stride of every bound tensor. */
function launchOf(
  op: string,
  specs: ReadonlyMap<string, ParsedSpec>,
  params: ReadonlyMap<string, Param<ParamValue, boolean>>,
  outputs: TensorSpecs,
  call: Call,
  { shader = op, words = {}, bind, ...rest }: Launch,
): Dispatch {
  const tensors: Readonly<Record<string, Tensor | undefined>> = { ...call.inputs, ...call.outputs };
  const wanted = bind ?? Object.fromEntries([...specs.keys()].map((name) => [name, tensors[name]]));
  const bindings = Object.entries(wanted).map(([name, x]): [string, Binding] => {
    const spec = specs.get(name);
    const { tensor, access, type } =
      x && 'access' in x ? x : { tensor: x ?? ('none' as const), access: undefined, type: undefined };
    const dtype = spec && spec.dtype !== 'any' ? spec.dtype : undefined;
    return [name, { tensor, access: access ?? (name in outputs ? 'write' : 'read'), type: type ?? dtype }];
  });
  const list = new Map<string, NamedWord>();
  for (const [name, value] of Object.entries(call.params)) {
    const spec = params.get(name);
    const type = spec && spec.type !== 'bool' && spec.type !== 'name' ? spec.type : 'u32';
    list.set(name, { name, type, value: spec ? wordOf(spec, value) : Number(value) });
  }
  list.set('replicas', { name: 'replicas', type: 'u32', value: replicasOf(call) });
  for (const [name, { tensor }] of bindings)
    list.set(`${name}Replica`, {
      name: `${name}Replica`,
      type: 'u32',
      value: tensor === 'none' ? 0 : tensor.replicaStride,
    });
  for (const word of namedWords(words)) list.set(word.name, { ...word, type: list.get(word.name)?.type ?? word.type });
  return dispatchOf({ shader, ...rest, words: [...list.values()], bind: Object.fromEntries(bindings) });
}

function layoutOf(
  op: string,
  specs: ReadonlyMap<string, ParsedSpec>,
  params: ReadonlyMap<string, Param<ParamValue, boolean>>,
  computed: Iterable<string>,
  {
    kernels = [op],
    scratch = false,
    words = {},
  }: { kernels?: readonly string[]; scratch?: boolean; words?: AssemblyWords },
): Layout {
  const fields = new Map<string, AssemblyType>();
  for (const name of specs.keys()) fields.set(name, 'address');
  for (const name of specs.keys()) fields.set(`${name}Replica`, 'u32');
  fields.set('replicas', 'u32');
  for (const name of [...dimensionNames(specs.values()), ...computed]) fields.set(name, 'u32');
  for (const [name, { type }] of params) fields.set(name, type === 'bool' || type === 'name' ? 'u32' : type);
  for (const [name, type] of Object.entries(words)) fields.set(name, type);
  const names = new Map([...params].flatMap(([name, spec]) => (spec.names ? [[name, spec.names] as const] : [])));
  return { op, fields, kernels, scratch, names };
}

/** The words that follow from the call alone. */
function assemblyWords(params: ReadonlyMap<string, Param<ParamValue, boolean>>, call: Call): Map<string, WasmWord> {
  const words = new Map<string, WasmWord>([['replicas', replicasOf(call)]]);
  for (const [name, tensor] of Object.entries({ ...call.inputs, ...call.outputs }))
    words.set(name, at(tensor)).set(`${name}Replica`, stride(tensor));
  for (const [name, value] of Object.entries(call.params)) {
    const spec = params.get(name);
    words.set(name, spec ? wordOf(spec, value) : Number(value));
  }
  return words;
}
