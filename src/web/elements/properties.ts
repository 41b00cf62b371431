/** Properties of the custom elements, one per attribute: scripts and frameworks set properties, pages write attributes. */

/** How a value is written as the text of its attribute. flag: present or absent; list: words; json: a value, or its JSON text. */
type PropertyType = 'number' | 'text' | 'flag' | 'list' | 'json';

/** By name; the attribute of `dataSeed` is `data-seed`. */
export type Properties = Readonly<Record<string, PropertyType>>;

export const attributeOf = (name: string): string => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

/** Defines the properties on the prototype of an element. A property is undefined while its attribute is absent; a flag is false. */
export function reflect(prototype: HTMLElement, properties: Properties): void {
  for (const [name, type] of Object.entries(properties))
    Object.defineProperty(prototype, name, {
      configurable: true,
      enumerable: true,
      get(this: HTMLElement) {
        return propertyOf(this.getAttribute(attributeOf(name)), type);
      },
      set(this: HTMLElement, value: unknown) {
        const text = attributeText(value, type);
        if (text === undefined) this.removeAttribute(attributeOf(name));
        else this.setAttribute(attributeOf(name), text);
      },
    });
}

/** Takes over properties that were set before the element was defined; they would hide those of the prototype. */
export function adoptEarly(element: HTMLElement, properties: Properties): void {
  for (const name of Object.keys(properties))
    if (Object.hasOwn(element, name)) {
      const own = element as unknown as Record<string, unknown>;
      const value = own[name];
      delete own[name];
      own[name] = value;
    }
}

function propertyOf(text: string | null, type: PropertyType): unknown {
  if (type === 'flag') return text !== null;
  if (text === null) return undefined;
  if (type === 'number') return Number(text);
  if (type === 'list') return text.trim().split(/[\s,]+/);
  if (type === 'text') return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // the element reports the fault
  }
}

function attributeText(value: unknown, type: PropertyType): string | undefined {
  if (value === undefined || value === null || (type === 'flag' && !value)) return undefined;
  if (type === 'flag') return '';
  if (type === 'json' && typeof value !== 'string') return JSON.stringify(value);
  return Array.isArray(value) ? value.join(' ') : String(value);
}
