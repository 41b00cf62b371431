/**
 * Declarations of the types that are inferred from schemas, printed from the same schemas. The package's declarations then need no
 * schema library, and every field has its description, range and default.
 */
import * as z from 'zod';
import { experimentSchema } from '../../core/experimentSchema.js';
import { modelKinds } from '../../core/modelFacts.js';
import { optimiserSchema, optimisers } from '../../core/optimisers.js';
import type { Schema } from '../../core/wanted.js';
import { searchSchema } from '../searchSchema.js';

const schemaOf = (type: z.ZodType, io: 'input' | 'output') => z.toJSONSchema(type, { io }) as Schema;
const names = (kinds: readonly string[]) => kinds.map((kind) => `'${kind}'`).join(' | ');

/** Files of dist/types/ by path. */
export function declarationFiles(): Record<string, string> {
  const input = schemaOf(experimentSchema(), 'input');
  const output = schemaOf(experimentSchema(), 'output');
  const { model, optimiser, task, schedule, ...rest } = input.properties!;
  const kindOf = (section: Schema) => names(section.properties!.kind.enum as string[]);
  const whole: Schema = { ...output, required: [...output.required!, 'optimiser'] };
  const models = model.oneOf!;
  const hcnn = models.find(({ properties }) => properties!.kind.const === 'hcnn')!;
  const optional = (doc: string, name: string, type: string) => `  /** ${doc} */\n  readonly ${name}?: ${type};\n`;
  return {
    'core/experimentTypes.d.ts': `import type { DefinedKind, OwnModelInput, OwnModels } from './modelTypes.js';

/** A model that comes with the program. */
export type ModelKind = ${names(modelKinds())};
export type OptimiserKind = ${names(Object.keys(optimisers))};
export type Optimiser = ${typeOf(schemaOf(optimiserSchema, 'output'))};

/** One immutable description of a run. Everything that decides its bits is in here. */
export interface Experiment ${objectOf(whole, '')}

/** What a user may write: every field optional, \`model: 'hcnn'\` short for \`model: { kind: 'hcnn' }\`. */
export interface ExperimentInput ${objectOf({ properties: rest }, '').slice(0, -1)}${optional('what learns, and its options', 'model', 'ModelInput | ModelKind | keyof OwnModels | DefinedKind')}${optional("how its weights change; default: the model's own", 'optimiser', 'OptimiserInput | OptimiserKind')}${optional(`what is learnt: ${task.properties!.kind.description}`, 'task', `${typeOf(task, '  ')} | ${kindOf(task)}`)}${optional('of the learning rate', 'schedule', `${typeOf(schedule, '  ')} | ${kindOf(schedule)}`)}}

/** A model and its options; without \`kind\`, hcnn. One's own: see \`OwnModels\`. */
export type ModelInput = ${typeOf(model)} | ${typeOf(unnamed(hcnn))} | OwnModelInput;

/** An optimiser and its hyperparameters; without \`kind\`, the model's own. */
export type OptimiserInput = ${typeOf(optimiser)} | ${optimiser.oneOf!.map((one) => typeOf(unnamed(one))).join(' | ')};
`,
    'sweep/searchSchema.d.ts': `/** What the part \`search\` of a grid file may hold. */
export interface GridSearch ${objectOf(schemaOf(searchSchema, 'output'), '')}
`,
  };
}

/** A variant without its kind. */
function unnamed({ properties }: Schema): Schema {
  return { type: 'object', properties: { ...properties, kind: { type: 'undefined' } } };
}

function typeOf(schema: Schema, indent = ''): string {
  const { type, items, properties } = schema;
  const options = schema.oneOf ?? schema.anyOf;
  if (options) return [...new Set(options.map((option) => typeOf(option, indent)))].join(' | ');
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  if (properties) return objectOf(schema, indent);
  if (type === 'array') return `readonly (${items ? typeOf(items, indent) : 'unknown'})[]`;
  if (type === 'integer') return 'number';
  if (type === undefined) return 'unknown';
  return type;
}

const literal = (value: unknown) => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value));

function objectOf({ properties = {}, required = [] }: Schema, indent: string): string {
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(([name, schema]) => {
    const doc = docOf(schema);
    const mark = required.includes(name) ? '' : '?';
    return `${doc && `${inner}/** ${doc} */\n`}${inner}readonly ${name}${mark}: ${typeOf(schema, inner)};\n`;
  });
  return `{\n${lines.join('')}${indent}}`;
}

/** Description, range, default. */
function docOf(schema: Schema): string {
  const { description, type, minimum, maximum, exclusiveMinimum } = schema;
  const parts = description ? [description] : [];
  if (type === 'integer' || type === 'number') {
    const from =
      minimum !== undefined ? `${minimum}` : exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : '';
    const to = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? ` to ${maximum}` : '';
    if (from)
      parts.push(
        `${type === 'integer' ? 'whole' : 'a number'}, ${to || from.startsWith('above') ? from : `from ${from}`}${to}`,
      );
  }
  if (schema.default !== undefined && typeof schema.default !== 'object')
    parts.push(`default ${literal(schema.default)}`);
  return parts.join('; ').replaceAll('*/', '*\\/');
}
