/** JSON Schema of an experiment file, including the short forms that parseExperiment spells out. */
import { experimentJsonSchema } from './experiment.js';
import { DEFAULT_MODEL, modelFacts, modelKinds } from './modelFacts.js';

export interface JsonSchema {
  [key: string]: unknown;
  type?: string;
  enum?: readonly unknown[];
  const?: unknown;
  properties?: Record<string, JsonSchema>;
  required?: readonly string[];
  anyOf?: readonly JsonSchema[];
  oneOf?: readonly JsonSchema[];
}

/** For editors and validators: accepts everything that `rhm train` accepts, and nothing with a mistyped field. */
export function experimentFileSchema(): JsonSchema {
  const schema = structuredClone(experimentJsonSchema()) as JsonSchema;
  const fields = schema.properties!;
  // An object without `kind` describes the model, or the optimiser, that an experiment has by default.
  const kinds = new Set(modelKinds().map((kind) => modelFacts(kind).optimiser.kind as string));
  fields.model = withNames(fields.model, (kind) => kind === DEFAULT_MODEL);
  fields.optimiser = withNames(fields.optimiser, (kind) => kinds.has(kind));
  for (const name of ['task', 'schedule']) {
    const names = fields[name].properties!.kind.enum!;
    fields[name] = { description: fields[name].description, anyOf: [{ enum: names }, fields[name]] };
  }
  return { ...schema, title: 'experiment of rhm', properties: { $schema: { type: 'string' }, ...fields } };
}

/** Variants told apart by `kind`, or the bare name of one. isDefault: variants whose objects may omit `kind`. */
function withNames({ default: value, ...union }: JsonSchema, isDefault: (kind: string) => boolean): JsonSchema {
  const variants = (union.oneOf ?? union.anyOf)!;
  const kindOf = ({ properties }: JsonSchema) => String(properties!.kind.const);
  const objects = variants.map((variant) => ({
    ...variant,
    required: (variant.required ?? []).filter((name) => name !== 'kind' || !isDefault(kindOf(variant))),
  }));
  return {
    ...(value !== undefined && { default: value }),
    anyOf: [{ enum: variants.map(kindOf) }, ...objects],
  };
}
