/** Elements without a framework. Text is always set as text, never parsed as markup. */

type Child = Node | string | number | null | undefined | false;
type Attributes = Readonly<Record<string, string | number | boolean | undefined | ((event: never) => void)>>;

/** An HTML element: `on...` functions become listeners, true and false mean that an attribute is present or absent. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

const SVG = 'http://www.w3.org/2000/svg';

/** An SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value as EventListener);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children)
    if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : String(child));
  return element;
}

/** A paragraph in which `_{x}` and `^{x}` are subscript and superscript, and `*x*` is emphasised. */
export function paragraph(text: string): HTMLParagraphElement {
  const parts = text.split(/([_^]\{[^}]*\}|\*[^*]+\*)/).map((part) => {
    if (/^[_^]\{/.test(part)) return h(part[0] === '_' ? 'sub' : 'sup', {}, part.slice(2, -1));
    return /^\*.+\*$/.test(part) ? h('em', {}, part.slice(1, -1)) : part;
  });
  return h('p', {}, ...parts);
}

/** Calls `work` at most once per frame and at most `perSecond` times per second, with the latest state. */
export function throttle(work: () => void, perSecond: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = 0;
  return () => {
    if (timer !== undefined) return;
    const wait = Math.max(0, last + 1000 / perSecond - performance.now());
    timer = setTimeout(() => {
      timer = undefined;
      last = performance.now();
      work();
    }, wait);
  };
}

let ids = 0;
/** An id for an element to which others refer. */
export const uniqueId = (stem: string) => `${stem}-${++ids}`;
