/** The fields of an experiment as a list, from the descriptions in its schema: for people who write one. */
import { experimentJsonSchema } from './experiment.js';
import { modelFacts, modelKinds } from './modelFacts.js';
import { DEFAULT_TASK } from './tasks.js';
import { describe, type Schema } from './wanted.js';

export interface FieldInfo {
  readonly field: string; // dotted, as in --set
  /** The models, or the optimisers, that have this field; absent: it does not depend on the kind. */
  readonly kinds?: readonly string[];
  readonly meaning: string;
  readonly values: string; // accepted values, in words
  readonly default?: unknown; // a value that can be written in a file
  /**
   * If there is no such value: the behaviour when the field is left out, in words. Without either there is none, as for
   * budget.patience.
   */
  readonly otherwise?: string;
}

/** Sections that the program fills in: their fields are digests. */
const WRITTEN = ['data', 'from'];

/**
 * Every field of every kind of model and optimiser, in the order of an experiment; fields of several kinds appear once if they are
 * identical.
 */
export function fieldList(): FieldInfo[] {
  const { properties = {} } = experimentJsonSchema() as Schema;
  return Object.entries(properties).flatMap(([name, schema]) => {
    const variants = variantsOf(schema);
    if (variants) return [kindField(name, schema, variants), ...fieldsOfKinds(name, variants)];
    return fieldsAt(name, schema);
  });
}

/** The variants of a section, distinguished by `kind`. */
function variantsOf({ oneOf, anyOf }: Schema): readonly Schema[] | undefined {
  const options = oneOf ?? anyOf;
  return options?.every(({ properties }) => properties?.kind?.const !== undefined) ? options : undefined;
}

const kindOf = ({ properties }: Schema) => String(properties!.kind.const);

function kindField(name: string, schema: Schema, variants: readonly Schema[]): FieldInfo {
  const kinds = variants.map(kindOf);
  const given = (schema.default as { kind?: string } | undefined)?.kind;
  const meaning = `the ${name === 'model' ? 'network' : name}; "${name}: NAME" is short for it (rhm ${name}s describes each)`;
  const users = (optimiser: string) => modelKinds().filter((kind) => modelFacts(kind).optimiser.kind === optimiser);
  const words = kinds.filter((kind) => users(kind).length).map((kind) => `${kind} with ${users(kind).join(', ')}`);
  return {
    field: `${name}.kind`,
    meaning,
    values: `one of ${kinds.join(', ')}`,
    ...(given === undefined ? { otherwise: words.join('; ') } : { default: given }),
  };
}

function fieldsOfKinds(section: string, variants: readonly Schema[]): FieldInfo[] {
  const found = new Map<string, FieldInfo & { kinds: string[] }>();
  for (const variant of variants)
    for (const [key, schema] of Object.entries(variant.properties ?? {})) {
      if (key === 'kind') continue;
      for (const info of fieldsAt(`${section}.${key}`, schema)) {
        const same = JSON.stringify(info);
        const known = found.get(same) ?? { ...info, kinds: [] };
        known.kinds.push(kindOf(variant));
        found.set(same, known);
      }
    }
  const names = [...new Set([...found.values()].map(({ field }) => field))];
  return names.flatMap((name) => [...found.values()].filter(({ field }) => field === name));
}

function fieldsAt(field: string, schema: Schema): FieldInfo[] {
  const inner = schema.properties && !WRITTEN.includes(field) ? Object.entries(schema.properties) : [];
  const nested = inner.flatMap(([key, value]) => fieldsAt(`${field}.${key}`, value));
  const isSection = inner.length > 0 && schema.description === undefined;
  return isSection ? nested : [fieldOf(field, schema), ...nested];
}

function fieldOf(field: string, { description = '', ...schema }: Schema): FieldInfo {
  const [, meaning, words] = /^(.*?)(?:; default:? (.*))?$/s.exec(description)!;
  return {
    field,
    meaning,
    values: describe(schema, undefined),
    ...(schema.default !== undefined ? { default: schema.default } : words !== undefined && { otherwise: words }),
  };
}

/** `default 4`, `default: the order of the tree`; empty: none. */
export function defaultText({ default: value, otherwise }: FieldInfo): string {
  if (value !== undefined) return `default ${JSON.stringify(value)}`;
  return otherwise === undefined ? '' : `default: ${otherwise}`;
}

/**
 * A complete experiment as YAML with every field of a model: given with its default if it has one, otherwise as a comment, so that the
 * file is the experiment of all defaults (of the model's first task, if it lacks the default one).
 */
export function experimentYaml(model: string): string {
  const { optimiser, tasks } = modelFacts(model);
  const isOf = ({ field, kinds }: FieldInfo) =>
    kinds === undefined || kinds.includes(field.startsWith('model.') ? model : optimiser.kind);
  const set = new Map<string, unknown>([
    ['model.kind', model],
    ...(tasks.includes(DEFAULT_TASK) ? [] : [['task.kind', tasks[0]] as const]),
    ...Object.entries(optimiser).map(([key, value]) => [`optimiser.${key}`, value] as const),
  ]);
  const lines = [
    '# An experiment of rhm train, with every field. Fields that are off, or whose default follows from others, are comments: remove the # to set them.',
  ];
  let section: string | undefined;
  for (const info of fieldList().filter(isOf)) {
    const path = info.field.split('.');
    if (WRITTEN.includes(path[0])) continue;
    const own = path.length > 1 ? path[0] : '';
    if (own !== section) lines.push('', ...(own ? [`${own}:`] : []));
    section = own;
    const value = set.get(info.field) ?? info.default;
    const indent = own ? '  ' : '';
    const inner = '  '.repeat(Math.max(0, path.length - 2)); // below a commented-out field
    lines.push(
      `${indent}# ${[info.meaning, info.values, info.otherwise && defaultText(info)].filter(Boolean).join('; ')}`,
    );
    lines.push(
      `${indent}${value === undefined ? '#' : ''}${inner}${path.at(-1)}:${value === undefined ? '' : ` ${JSON.stringify(value)}`}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
