/** Common base of the custom elements: a shadow root with the figures' styles, and errors shown in place of refused input. */
import { RhmError } from '../../core/errors.js';
import { h } from '../dom.js';
import { adopt, figureCss, followingThemeCss } from '../figures/style.js';
import type { ElementEvents } from './events.js';
import { adoptEarly, type Properties } from './properties.js';

const hostCss = `
:host{display:block;padding:.9rem 1rem;border:1px solid var(--rhm-line);border-radius:12px;background:var(--rhm-paper);color:var(--rhm-ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;box-sizing:border-box;text-align:start}
:host>*{direction:ltr;text-align:start;letter-spacing:normal;word-spacing:normal;text-transform:none;text-indent:0;white-space:normal;text-shadow:none;color:var(--rhm-ink)}
:host([hidden]){display:none}
*{box-sizing:border-box}
.problem{margin:0;border-left:4px solid #d55e00;padding:.3rem .8rem}
.problem:empty{display:none}
`;

/** On a server there are no elements to extend; the module can nevertheless be imported there. */
const Base: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

export abstract class RhmElement extends Base {
  /** Properties of the element, by name. */
  static readonly properties: Properties;
  protected readonly root: ShadowRoot;
  readonly #problem = h('p', { class: 'problem', role: 'alert' });
  #queued = false;

  constructor() {
    super();
    this.root = this.attachShadow({ mode: 'open' });
    adopt(this.root, followingThemeCss(':host') + hostCss + figureCss);
    this.root.append(this.#problem);
  }

  connectedCallback(): void {
    adoptEarly(this, (this.constructor as typeof RhmElement).properties);
    this.#queue();
  }

  attributeChangedCallback(): void {
    this.#queue();
  }

  /** Reads the attributes and shows the result. @throws InputError */
  protected abstract refresh(): void | Promise<void>;

  /** An event that leaves the shadow root. */
  protected emit<Name extends keyof ElementEvents>(name: Name, detail: ElementEvents[Name]): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** A whole number in an attribute; other text is returned unchanged, so that the check can name it. */
  protected numberOf(name: string, fallback: number): number {
    const text = this.getAttribute(name);
    if (text === null || text.trim() === '') return fallback;
    const value = Number(text);
    return Number.isFinite(value) ? value : (text as unknown as number);
  }

  /** Shows an error in the element and emits it as the event `rhm-error`. */
  protected fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#problem.textContent = message;
    this.emit('rhm-error', { message });
    if (!(error instanceof RhmError)) console.error(error);
  }

  /** Handles all attributes set at the same moment together: setting five of them draws once. */
  #queue(): void {
    if (this.#queued || !this.isConnected) return;
    this.#queued = true;
    queueMicrotask(async () => {
      this.#queued = false;
      if (!this.isConnected) return;
      try {
        this.#problem.textContent = '';
        await this.refresh();
      } catch (error) {
        this.fail(error);
      }
    });
  }
}
