import * as z from 'zod';
import { InputError } from './errors.js';
import type { ModelKind } from './experimentTypes.js';
import { count, type Fields, oneOf } from './fields.js';
import type { ModelFacts } from './modelTypes.js';
import { taskKinds } from './tasks.js';

export interface ModelRow extends ModelFacts {
  fields: Fields; // of `model` in an experiment, beside `kind`
}

const scaling = z
  .enum(['mean-field', 'standard'])
  .default('mean-field')
  .describe('readout divided by w (and learning rate multiplied by w), or divided by sqrt(w)');
const width = count(65536).default(512).describe('w, channels of each hidden layer');
const bias = z.boolean().default(false).describe('add a bias to every layer');
const depth = z.number().int().min(0).max(64);
const hierarchical = {
  width,
  scaling,
  bias,
  depth: depth.min(1).optional().describe('layers; default L'),
  filter: count(1024).optional().describe('filter size and stride; default s'),
};
// Optional, so that the hash of an experiment without the field does not change.
const wired = {
  ...hierarchical,
  wiring: z
    .enum(['true', 'learned'])
    .optional()
    .describe(
      'with grammar.shuffle: wire the network along the true tree, or along the tree found from token pairs of the training set; default: by position',
    ),
};

/** The models that are part of the program. One row per model; `models/index.ts` has their forward passes under the same names. */
const builtIn = {
  hcnn: {
    title: 'hierarchical CNN',
    short: 'CNN',
    about: 'convolutions shaped like the tree, with the same filters at every position',
    family: 'cnn',
    optimiser: { kind: 'sgd' },
    tasks: ['last', 'class', 'parse'],
    sees: 'block',
    colour: 0,
    fields: wired,
  },
  hlcn: {
    title: 'locally connected net',
    short: 'local',
    about: 'like hcnn, with separate filters at every position: locality without weight sharing',
    family: 'transformer', // argued, not proven: it shares no weights, as transformers
    optimiser: { kind: 'sgd' },
    tasks: ['last', 'class', 'parse'],
    sees: 'block',
    colour: 2,
    fields: wired,
  },
  fcn: {
    title: 'fully connected net',
    short: 'MLP',
    about: 'no structure',
    family: undefined,
    optimiser: { kind: 'sgd' },
    tasks: ['last', 'class', 'parse'],
    sees: 'sentence',
    colour: 3,
    fields: { width, scaling, bias, depth: depth.default(3).describe('hidden layers; 0 is a perceptron') },
  },
  mla: {
    title: 'transformer',
    short: 'transf.',
    about: 'layers of self-attention; without MLPs and residuals by default, as in the paper',
    family: 'transformer',
    optimiser: { kind: 'adamw' },
    tasks: ['last', 'class', 'mask', 'parse'],
    sees: 'sentence',
    colour: 1,
    fields: {
      channels: count(8192).default(256).describe('C, channels of every position'),
      heads: count(256).default(16).describe('H, attention heads; C is a multiple of H'),
      depth: depth.min(1).optional().describe('attention layers; default L'),
      // Optional instead of having a default, so that the hash of an experiment without these fields does not change.
      residual: z
        .boolean()
        .optional()
        .describe('residual connections around attention and MLP; default: none, as in the paper'),
      ratio: count(64)
        .optional()
        .describe('hidden width, over C, of an MLP after each attention layer; default: no MLP'),
      norm: z.enum(['layer', 'rms']).optional().describe('norm before attention, MLP and readout; default: none'),
    },
  },
  clm: {
    title: 'causal transformer',
    short: 'decoder',
    about: 'a decoder that predicts every next token, or masked tokens from those before them',
    family: 'transformer',
    optimiser: { kind: 'adamw' },
    tasks: ['auto', 'mask'],
    sees: 'sentence',
    causal: true,
    colour: 4,
    fields: {
      channels: count(8192).default(256).describe('C, channels of every position'),
      heads: count(256).default(8).describe('H, attention heads; C is a multiple of H'),
      depth: depth.min(1).optional().describe('blocks; default L'),
      ratio: count(64).default(4).describe('hidden width of the MLP over C'),
      tied: z.boolean().default(false).describe('tie the head to the token embedding'),
      dropout: z.number().min(0).max(0.9).default(0).describe('fraction of activations that dropout sets to 0'),
    },
  },
  unet: {
    title: 'hierarchical U-Net',
    short: 'U-Net',
    about: 'convolutions up the tree and back down to every token, with skip connections at each level',
    family: 'cnn',
    optimiser: { kind: 'sgd' },
    tasks: ['mask'],
    sees: 'block', // the encoder, which comes first
    colour: 5,
    fields: { width, scaling, depth: hierarchical.depth, filter: hierarchical.filter },
  },
} satisfies Record<string, ModelRow>;

export type ModelTable = typeof builtIn;
export const DEFAULT_MODEL: ModelKind = 'hcnn';

const builtInSchema = oneOf(builtIn);

const rows = new Map<string, ModelRow>(Object.entries(builtIn));
let schema = builtInSchema;

/**
 * Registers a model by name: from then on an experiment may use `model: kind` with these fields. Facts that are left out are
 * those that `modelFacts` returns for an unregistered name. A second registration replaces the first.
 * @throws InputError for a name that is not a single word, or is that of a model of the program.
 */
export function registerModel(kind: string, { fields = {}, ...facts }: Partial<ModelRow> = {}): void {
  if (!/^[A-Za-z][\w-]{0,39}$/.test(kind))
    throw new InputError(`model kind: got ${JSON.stringify(kind)}; pass a letter, then letters, digits, _ or -`);
  if (Object.hasOwn(builtIn, kind))
    throw new InputError(`model kind: ${kind} comes with the program; take another name`);
  if ('kind' in fields) throw new InputError(`model ${kind}: the field kind is the model's name; take another one`);
  rows.set(kind, { ...modelFacts(kind), ...facts, fields });
  schema = oneOf(Object.fromEntries(rows)) as unknown as typeof schema;
}

/** The facts of a model. For an unregistered name, as in runs of another program, facts that are true of any model. */
export function modelFacts(kind: string): ModelFacts {
  return (
    rows.get(kind) ?? {
      title: kind,
      short: kind,
      about: 'defined by the user',
      family: undefined,
      optimiser: { kind: 'sgd' },
      tasks: taskKinds,
      sees: 'sentence',
      colour: rows.size,
    }
  );
}

/** Names of all models, those of the program first. */
export const modelKinds = (): string[] => [...rows.keys()];

/** Position of a model among `modelKinds`, the order of tables; an unknown model comes last. */
export function modelOrder(kind: string): number {
  const at = modelKinds().indexOf(kind);
  return at < 0 ? rows.size : at;
}

/** Names of the options of `model` in an experiment, beside `kind`. */
export const modelFields = (kind: string): string[] => Object.keys(rows.get(kind)?.fields ?? {});

/** Whether a model has an option of that name. */
export const hasField = (kind: string, name: string): boolean => Object.hasOwn(rows.get(kind)?.fields ?? {}, name);

/** The schema of `model` in an experiment, over all models registered now. Its type covers those of the program. */
export const modelSchema = (): typeof builtInSchema => schema;
