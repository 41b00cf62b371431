/** User-defined models: a name, options and a forward pass; everything else follows. */
import * as z from 'zod';
import { InputError } from '../core/errors.js';
import type { OptimiserKind } from '../core/experimentTypes.js';
import type { Fields } from '../core/fields.js';
import { registerModel } from '../core/modelFacts.js';
import type { DefinedKind, ModelFacts } from '../core/modelTypes.js';
import { type TaskKind, taskKinds } from '../core/tasks.js';
import type { Tensor } from '../plan/types.js';
import type { Net } from './net.js';
import type { ModelSpec, Outcome } from './types.js';

/** An option of a model in an experiment; without a default it may be left out, and is then undefined. */
export type ModelOption =
  | { type: 'integer' | 'number'; default?: number; min?: number; max?: number; about?: string }
  | { type: 'boolean'; default?: boolean; about?: string }
  | { type: 'choice'; of: readonly string[]; default?: string; about?: string };

export type ModelOptions = Readonly<Record<string, ModelOption>>;

type ValueOf<O extends ModelOption> = O extends { type: 'integer' | 'number' }
  ? number
  : O extends { type: 'boolean' }
    ? boolean
    : O extends { type: 'choice'; of: readonly (infer Name)[] }
      ? Name
      : never;

/** The values of a model's options as passed to its forward pass. */
export type OptionValues<O extends ModelOptions> = {
  readonly [Name in keyof O]: O[Name] extends { default: unknown } ? ValueOf<O[Name]> : ValueOf<O[Name]> | undefined;
};

export interface ModelDefinition<O extends ModelOptions = ModelOptions> {
  /** Name in experiments: a letter, then letters, digits, _ or -. */
  kind: string;
  options?: O;
  /** Full name, as within a sentence; default: the kind. */
  title?: string;
  /** Half a sentence that explains it to readers of a report. */
  about?: string;
  /** Tasks that it can learn; default: all. */
  tasks?: readonly TaskKind[];
  /** Optimiser of experiments that name none; default SGD at rate 1. */
  optimiser?: { kind: OptimiserKind; rate?: number };
  /** The law of sample complexity with which it is compared; default none. */
  family?: ModelFacts['family'];
  /** Factor on the base learning rate; default 1. */
  rateFactor?(options: OptionValues<O>): number;
  /**
   * From net.options.tokens to the logits, [R, B, classes], or [R, B, T - 1, v] for the task `auto`; with hidden layers if
   * measures should use them. Called once for each plan, and must add the same calls each time except for the batch.
   */
  forward(net: Net, options: OptionValues<O>): Tensor | Outcome;
}

const defined = new Map<string, ModelSpec>();
const modules = new Map<string, DefinedKind[]>(); // names by URL

/**
 * Registers a model under its name: experiments, sweeps, records, checkpoints and measures then accept it like one of the
 * program's. Defining a name again replaces it. @returns the definition, for a module to export.
 * @throws InputError naming what is missing or does not fit
 */
export function defineModel<const O extends ModelOptions = Record<string, never>>(
  definition: ModelDefinition<O>,
): ModelDefinition<O> & { kind: DefinedKind } {
  const { kind, options = {} as O, tasks, forward, rateFactor, ...rest } = definition;
  if (typeof forward !== 'function')
    throw new InputError(`model ${kind}: it has no forward pass; pass forward(net, options)`);
  for (const task of tasks ?? [])
    if (!taskKinds.includes(task))
      throw new InputError(`model ${kind}: tasks: got ${JSON.stringify(task)}; pass some of ${taskKinds.join(', ')}`);
  const { title, about, optimiser, family } = rest;
  const facts = Object.entries({ title, short: title, about, optimiser, family, tasks });
  registerModel(kind, {
    ...Object.fromEntries(facts.filter(([, value]) => value !== undefined)),
    fields: Object.fromEntries(Object.entries(options).map(([name, option]) => [name, fieldOf(kind, name, option)])),
  });
  defined.set(kind, {
    rateFactor: (config) => rateFactor?.(config as unknown as OptionValues<O>) ?? 1,
    forward(net, config) {
      const result = forward(net, config as unknown as OptionValues<O>) as Tensor | Outcome | undefined;
      if (!result) throw new InputError(`model ${kind}: its forward pass returns nothing; return the logits`);
      return 'logits' in result ? { ...result, hidden: result.hidden ?? [] } : { logits: result, hidden: [] };
    },
  });
  return definition as typeof definition & { kind: DefinedKind };
}

/** The forward pass of a defined model. */
export const definedModel = (kind: string): ModelSpec | undefined => defined.get(kind);

/** Modules that loadModels has loaded, for workers that must load them too. */
export const modelModules = (): string[] => [...modules.keys()];

/**
 * Imports modules whose exports are model definitions and registers these. urls: as for import().
 * @returns their names. @throws InputError naming the module
 */
export async function loadModels(urls: readonly string[]): Promise<DefinedKind[]> {
  const kinds: DefinedKind[] = [];
  for (const url of urls) {
    const known = modules.get(url);
    if (known) {
      kinds.push(...known);
      continue;
    }
    let exported: Record<string, unknown>;
    try {
      exported = await import(/* @vite-ignore */ /* webpackIgnore: true */ url);
    } catch (error) {
      throw new InputError(`models: ${url} cannot be imported: ${error instanceof Error ? error.message : error}`);
    }
    const found = new Set(Object.values(exported).filter(isDefinition));
    if (!found.size)
      throw new InputError(`models: ${url} exports no model; export what defineModel({ kind, forward }) returns`);
    const own = [...found].map((definition) => defineModel(definition).kind);
    modules.set(url, own);
    kinds.push(...own);
  }
  return kinds;
}

function isDefinition(value: unknown): value is ModelDefinition {
  return typeof value === 'object' && value !== null && 'kind' in value && 'forward' in value;
}

function fieldOf(kind: string, name: string, option: ModelOption): Fields[string] {
  const refuse = (what: string): never => {
    throw new InputError(`model ${kind}: option ${name}: ${what}`);
  };
  const types: Record<ModelOption['type'], () => z.ZodType> = {
    integer: () => range(z.number().int(), option as { min?: number; max?: number }),
    number: () => range(z.number(), option as { min?: number; max?: number }),
    boolean: () => z.boolean(),
    choice: () => {
      const { of } = option as { of?: readonly string[] };
      return of?.length ? z.enum(of as [string, ...string[]]) : refuse('a choice needs names; pass of: [...]');
    },
  };
  if (!Object.hasOwn(types, option?.type))
    refuse(`type: got ${JSON.stringify(option?.type)}; pass ${Object.keys(types).join(', ')}`);
  const { default: fallback, about = '' } = option;
  const type = types[option.type]().describe(about);
  if (fallback === undefined) return type.optional();
  const checked = type.safeParse(fallback);
  if (!checked.success) refuse(`its default ${JSON.stringify(fallback)} is not one of its values`);
  return type.default(fallback as never);
}

function range(type: z.ZodNumber, { min, max }: { min?: number; max?: number }): z.ZodNumber {
  const above = min === undefined ? type : type.min(min);
  return max === undefined ? above : above.max(max);
}
