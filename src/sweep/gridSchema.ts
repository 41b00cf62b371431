/** JSON Schema of a grid file, for editors and validators: the parts of a grid, including the fields of an experiment by name. */
import * as z from 'zod';
import { experimentFields } from '../core/experiment.js';
import { experimentFileSchema, type JsonSchema } from '../core/fileSchema.js';
import { axisSchema } from './axisSchema.js';
import { specSchema } from './specSchema.js';

/** Fields whose values are objects of numbers, which may be set by dotted names below them. */
const BELOW = '^grammar\\.(rootPrior|ruleProbabilities)\\.';
const VARIABLE = '^\\$[A-Za-z_]\\w*$';

export function gridJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(specSchema, { io: 'input' }) as JsonSchema;
  const experiment = experimentFileSchema();
  const names = experimentFields();
  const axis = { $ref: '#/$defs/axis' };
  const named = (value: JsonSchema, variables: boolean): JsonSchema => ({
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, value])),
    patternProperties: { [BELOW]: value, ...(variables && { [VARIABLE]: value }) },
    additionalProperties: false,
  });
  const parts = (of: JsonSchema): JsonSchema => {
    const { base, grid, zip, derive } = of.properties!;
    const fields: Record<string, JsonSchema> = {
      base: {
        description: base.description,
        type: 'object',
        properties: { ...Object.fromEntries(names.map((name) => [name, {}])), ...sectionsOf(experiment) },
        patternProperties: { [BELOW]: {}, [VARIABLE]: {} },
        additionalProperties: false,
      },
      grid: { description: grid.description, ...named(axis, true) },
      zip: { description: zip.description, anyOf: [named(axis, true), { type: 'array', items: named(axis, true) }] },
      derive: { description: derive.description, ...named({ anyOf: [{ type: 'string' }, axis] }, true) },
    };
    return { ...of, properties: { ...of.properties, ...fields } };
  };
  const whole = parts(schema);
  const { blocks } = whole.properties!;
  return {
    ...whole,
    title: 'grid of rhm sweep',
    properties: {
      $schema: { type: 'string' },
      ...whole.properties,
      blocks: { ...blocks, items: parts(blocks.items as JsonSchema) },
    },
    $defs: { axis: z.toJSONSchema(axisSchema, { io: 'input' }) as JsonSchema },
  };
}

/** The sections of an experiment, of which a grid may give any part: no field is required, and dotted names may give the rest. */
function sectionsOf({ properties }: JsonSchema): Record<string, JsonSchema> {
  const loose = (at: JsonSchema): JsonSchema => {
    const { required: _, ...rest } = at;
    return { ...rest, ...(rest.anyOf && { anyOf: rest.anyOf.map(loose) }) };
  };
  return Object.fromEntries(Object.entries(properties!).map(([name, section]) => [name, loose(section)]));
}
