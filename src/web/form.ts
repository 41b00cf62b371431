/** Form controls from the experiment's schema, so that names, bounds and help texts are written only there. */
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
  path: string; // path of the object in the experiment: `grammar`, `model`, '' for the experiment itself
  value: Values;
  fields?: readonly string[]; // default: all fields that a control can show
  limits?: Readonly<Record<string, number>>; // upper bounds lower than those of the schema, by full path
  words?: (choice: string) => string; // label of a choice, if its name in the schema says little
  /** Takes the value, or returns the reason for refusing it. */
  change: (value: Values) => string | undefined;
}

/** Read for each form: models may have been registered in the meantime. */
const root = () => experimentJsonSchema() as Schema;

type Control = HTMLInputElement | HTMLSelectElement;
/** The action on a change of a control. Kept apart from the control, which outlives the form that it was made for. */
const actions = new WeakMap<Control, (control: Control) => string | undefined>();

function acting<C extends Control>(control: C, act: (control: C) => string | undefined): C {
  actions.set(control, act as (control: Control) => string | undefined);
  control.addEventListener('change', () => {
    for (const old of document.querySelectorAll('.refusal')) clearRefusal(old);
    const refusal = actions.get(control)!(control);
    if (refusal) showRefusal(control, refusal);
  });
  return control;
}

function showRefusal(control: Control, text: string): void {
  const refusal = h('p', { class: 'refusal', id: uniqueId('refusal'), role: 'alert' }, text);
  control.setAttribute('aria-invalid', 'true');
  control.setAttribute('aria-describedby', refusal.id);
  control.closest('.fields')!.append(refusal); // below the row, where it does not move any field
}

function clearRefusal(refusal: Element): void {
  const control = refusal.parentElement!.querySelector(`[aria-describedby="${refusal.id}"]`);
  control?.removeAttribute('aria-invalid');
  control?.removeAttribute('aria-describedby');
  refusal.remove();
}

/** Puts forms into a box. Controls that it already contains stay, keep the focus, and take the new values. */
export function showForms(box: HTMLElement, ...forms: HTMLElement[]): void {
  const controlsIn = (elements: Iterable<Element>) =>
    [...elements].flatMap((e) => [...e.querySelectorAll<Control>('[data-field]')]);
  const [old, wanted] = [controlsIn([box]), controlsIn(forms)];
  if (old.length === wanted.length && old.every((control, i) => isAlike(control, wanted[i]))) {
    for (const [i, control] of old.entries()) takeOver(control, wanted[i]);
    const legends = forms.flatMap((form) => [...form.querySelectorAll('legend')]);
    for (const [i, legend] of [...box.querySelectorAll('legend')].entries())
      legend.textContent = legends[i].textContent;
    return;
  }
  const at = old.indexOf(document.activeElement as Control);
  const { field } = old[at]?.dataset ?? {};
  const nth = old.slice(0, at).filter((c) => c.dataset.field === field).length;
  box.replaceChildren(...forms);
  if (at >= 0) wanted.filter((c) => c.dataset.field === field)[nth]?.focus({ preventScroll: true });
}

function isAlike(a: Control, b: Control): boolean {
  return a.type === b.type && a.dataset.field === b.dataset.field && a.textContent === b.textContent;
}

function takeOver(control: Control, from: Control): void {
  actions.set(control, actions.get(from)!);
  control.value = from.value;
  if (!(control instanceof HTMLInputElement && from instanceof HTMLInputElement)) return;
  control.checked = from.checked;
  for (const name of ['min', 'max', 'placeholder'] as const) control[name] = from[name];
}

/** Controls for the fields of one object of the experiment. Refused input stays visible, with the reason beside it. */
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
  change: (value: unknown) => string | undefined,
): Control | undefined {
  if (field.enum) return select(field.enum.map(String), String(value), change);
  if (field.type === 'boolean') {
    const box = h('input', { type: 'checkbox', checked: value === true });
    return acting(box, ({ checked }) => change(checked));
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
  });
  return acting(input, (control) => {
    if (!control.reportValidity()) return undefined; // the browser shows the reason beside it
    return change(control.value === '' ? undefined : Number(control.value));
  });
}

function select(
  names: readonly string[],
  chosen: string,
  change: (name: string) => string | undefined,
  words: (choice: string) => string = (choice) => choice,
): HTMLSelectElement {
  const element = h(
    'select',
    {},
    ...names.map((name) => h('option', { value: name, selected: name === chosen }, words(name))),
  );
  return acting(element, ({ value }) => change(value));
}

function labelled(name: string, description: string | undefined, control: HTMLElement): HTMLElement {
  const id = uniqueId('field');
  control.id = id;
  control.dataset.field = name;
  if (description) control.title = description;
  return h('div', { class: 'field' }, h('label', { for: id }, shortName(name, description)), control);
}

/** `v, vocabulary size` is shown up to the first semicolon; a field without a description is shown by its name. */
function shortName(name: string, description: string | undefined): string {
  const words = name.replace(/([A-Z])/g, (c) => ` ${c.toLowerCase()}`);
  const text = description?.split(/[;:]/)[0];
  if (!text || text.length > 32) return words;
  return text.length <= 2 ? `${words}, ${text}` : text; // the paper's letter alone says little
}
