/** Form controls from the experiment's schema: names, bounds and help texts are written once, there. */
import { experimentJsonSchema } from '../core/experiment.js';
import { h, uniqueId } from './dom.js';

interface Schema {
  type?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  properties?: Record<string, Schema>;
  oneOf?: Schema[];
  anyOf?: Schema[];
}

type Values = Readonly<Record<string, unknown>>;

export interface FormOptions {
  path: string; // of the object in the experiment: `grammar`, `model`, '' for the experiment itself
  value: Values;
  fields?: readonly string[]; // default: all that a control can show
  limits?: Readonly<Record<string, number>>; // upper bounds below those of the schema, by full path
  words?: (choice: string) => string; // what a choice is called, where its name in the schema says little
  change: (value: Values) => void;
}

/** Asked for each form: models may have been registered meanwhile. */
const root = () => experimentJsonSchema() as Schema;

/** Controls for the fields of one object of the experiment. Refused input stays where it is, with the reason beside it. */
export function schemaForm(options: FormOptions): HTMLElement {
  const { path, value, limits = {}, words } = options;
  const schema = path ? root().properties![path] : root();
  const variants = schema.oneOf ?? schema.anyOf?.find((s) => s.oneOf)?.oneOf;
  const change = (name: string, entry: unknown) => options.change({ ...value, [name]: entry });
  const controls: HTMLElement[] = [];
  let properties = schema.properties ?? {};
  if (variants) {
    const kinds = variants.map((v) => String(v.properties!.kind.const));
    const kind = String(value.kind ?? kinds[0]);
    controls.push(
      labelled(
        path,
        `kind of ${path}`,
        select(kinds, kind, (chosen) => options.change({ kind: chosen }), words),
      ),
    );
    properties = variants[Math.max(0, kinds.indexOf(kind))].properties!;
  }
  for (const name of options.fields ?? Object.keys(properties)) {
    const field = properties[name];
    if (!field || (variants && name === 'kind')) continue;
    const control = controlFor(field, value[name] ?? field.default, limits[path ? `${path}.${name}` : name], (entry) =>
      change(name, entry),
    );
    if (control) controls.push(labelled(name, field.description, control));
  }
  return h('div', { class: 'fields' }, ...controls);
}

function controlFor(
  field: Schema,
  value: unknown,
  limit: number | undefined,
  change: (value: unknown) => void,
): HTMLElement | undefined {
  if (field.enum) return select(field.enum.map(String), String(value), change);
  if (field.type === 'boolean') {
    const box = h('input', { type: 'checkbox', checked: value === true, onchange: () => change(box.checked) });
    return box;
  }
  if (field.type !== 'integer' && field.type !== 'number') return undefined;
  const whole = field.type === 'integer';
  const min = field.minimum ?? field.exclusiveMinimum;
  const max = Math.min(field.maximum ?? Infinity, limit ?? Infinity);
  const input = h('input', {
    type: 'number',
    min,
    max: Number.isFinite(max) ? max : undefined,
    step: whole ? 1 : 'any',
    value: value === undefined ? '' : String(value),
    placeholder: value === undefined ? 'default' : undefined,
    required: field.default !== undefined,
    onchange: () => {
      if (!input.reportValidity()) return;
      change(input.value === '' ? undefined : Number(input.value));
    },
  });
  return input;
}

function select(
  names: readonly string[],
  chosen: string,
  change: (name: string) => void,
  words: (choice: string) => string = (choice) => choice,
): HTMLElement {
  const element = h(
    'select',
    { onchange: () => change(element.value) },
    ...names.map((name) => h('option', { value: name, selected: name === chosen }, words(name))),
  );
  return element;
}

function labelled(name: string, description: string | undefined, control: HTMLElement): HTMLElement {
  const id = uniqueId('field');
  control.id = id;
  control.dataset.field = name;
  if (description) control.title = description;
  return h('div', { class: 'field' }, h('label', { for: id }, shortName(name, description)), control);
}

/** `v, vocabulary size` is shown as it stands up to the first semicolon; a field without a text by its name. */
function shortName(name: string, description: string | undefined): string {
  const words = name.replace(/([A-Z])/g, (c) => ` ${c.toLowerCase()}`);
  const text = description?.split(/[;:]/)[0];
  if (!text || text.length > 32) return words;
  return text.length <= 2 ? `${words}, ${text}` : text; // the paper's letter alone says little
}
