/** A grammar to look at and to touch: its rules, a derivation over its sentence, and what a resampled node changes. */
import { type GrammarShape, type Rules, sentenceLength } from '../../core/rules.js';
import type { Source } from '../../core/sampleSource.js';
import { streamKey } from '../../core/threefry.js';
import { createSampler, type Sampler, treeChange } from '../../grammar/index.js';
import { h, uniqueId } from '../dom.js';
import { NumbersTable } from './numbers.js';
import { drawRules } from './rules.js';
import { drawTree, type NodeAt, nodeAt, nodesOf, type TreeOfSentence, treeSize } from './tree.js';

/** A node was resampled. */
export interface ChangeDetail {
  kind: 'rule' | 'symbol';
  level: number; // counted from the leaves
  position: number; // of the node among those of its level
  tokens: number[]; // positions of the tokens that changed
}

export interface GrammarFigureEvents {
  /** A node was resampled. */
  change?: (detail: ChangeDetail) => void;
  /** Another sentence is shown. */
  sentence?: (index: number, tokens: readonly number[]) => void;
}

/** Lives in `element`; `show` may be called again and again. */
export class GrammarFigure {
  readonly element: HTMLElement;
  #rules: Rules | undefined;
  #sampler: Sampler | undefined;
  #source: Source | undefined;
  #sentence = 0;
  #kind: 'rule' | 'symbol' = 'rule';
  #draws = 0; // resamplings so far: each draws anew
  #original: TreeOfSentence | undefined;
  #changed: TreeOfSentence | undefined;
  #focused: NodeAt = { depth: 0, position: 0 };
  #version = 0;
  #width = 480; // pixels that the tree has
  readonly #tree = h('div', { class: 'tree-scroll' });
  readonly #rulesBox = h('div', { class: 'rules', tabindex: '0', role: 'group', 'aria-label': 'Production rules' });
  readonly #numbers = new NumbersTable('The tree as a table', () => this.#table());
  readonly #status = h('p', { class: 'status', role: 'status' });
  readonly #back: HTMLButtonElement;

  constructor(readonly events: GrammarFigureEvents = {}) {
    const name = uniqueId('kind');
    const choice = (kind: 'rule' | 'symbol', text: string) =>
      h(
        'label',
        { class: 'choice' },
        h('input', {
          type: 'radio',
          name,
          value: kind,
          checked: kind === this.#kind,
          onchange: () => {
            this.#kind = kind;
          },
        }),
        text,
      );
    this.#back = h('button', { type: 'button', onclick: () => this.#reset(), disabled: true }, 'Undo change');
    new ResizeObserver(() => {
      const width = this.#tree.clientWidth;
      if (!width || Math.abs(width - this.#width) < 12) return;
      this.#width = width;
      if (this.#original) this.#render(this.#tree.contains((this.#tree.getRootNode() as Document).activeElement));
    }).observe(this.#tree);
    this.element = h(
      'div',
      { class: 'grammar' },
      h(
        'div',
        { class: 'toolbar' },
        h(
          'fieldset',
          { class: 'choices' },
          h('legend', {}, 'A click on a node resamples its'),
          choice('rule', 'rule (a synonym)'),
          choice('symbol', 'symbol (noise)'),
        ),
        h(
          'div',
          { class: 'together' },
          h('button', { type: 'button', onclick: () => this.#next() }, 'New sentence'),
          this.#back,
        ),
      ),
      this.#tree,
      this.#status,
      this.#numbers.element,
      h('h3', {}, 'Rules'),
      this.#rulesBox,
    );
  }

  get sentence(): number {
    return this.#sentence;
  }

  /** Shows a grammar and one of its sentences: number `sentence` of the stream of `seed`. */
  async show(rules: Rules, seed = 0, sentence = 0): Promise<void> {
    const version = ++this.#version;
    if (!this.#original) {
      // What takes a moment to be drawn has its room at once, so that nothing below it moves.
      this.#width = this.#tree.clientWidth || this.#width;
      const { height, scale } = treeSize(rules, this.#width);
      this.#tree.style.minHeight = `${Math.ceil(height * scale) + 6}px`;
      this.#rulesBox.replaceChildren(
        drawRules(
          rules,
          Array.from({ length: rules.L + 1 }, () => new Set<string>()),
        ),
      );
    } else this.#tree.style.minHeight = '';
    const sampler = await createSampler(rules);
    if (version !== this.#version) return;
    this.#rules = rules;
    this.#sampler = sampler;
    this.#source = { mode: 'stream', key: streamKey(seed, 'data'), size: 0n, first: 0, length: 0 };
    this.#open(sentence);
  }

  #next(): void {
    if (this.#sampler) this.#open(this.#sentence + 1);
  }

  #open(sentence: number): void {
    this.#sentence = sentence;
    this.#original = this.#draw();
    this.#changed = undefined;
    this.#focused = { depth: 0, position: 0 };
    const d = sentenceLength(this.#rules!);
    this.#status.textContent = `Sentence ${sentence}: ${d} tokens, read along the bottom row. The networks predict the last one.`;
    this.#render();
    // Where not all of it fits, the root is seen first.
    this.#tree.scrollLeft = (this.#tree.scrollWidth - this.#tree.clientWidth) / 2;
    this.events.sentence?.(sentence, this.#original.symbols.slice(-d));
  }

  #reset(): void {
    this.#changed = undefined;
    this.#status.textContent = 'Back to the original sentence.';
    this.#render(true);
  }

  #draw(change?: Parameters<Sampler['trees']>[3]): TreeOfSentence {
    const { symbols, rules } = this.#sampler!.trees(this.#source!, this.#sentence, 1, change);
    return { symbols: Array.from(symbols), rules: Array.from(rules) };
  }

  #resample(at: NodeAt, wanted: 'rule' | 'symbol'): void {
    const rules = this.#rules!;
    this.#focused = at;
    const level = rules.L - at.depth;
    const kind = level === 0 ? 'symbol' : wanted; // a token has no rule
    const choices = kind === 'rule' ? rules.m : at.depth === 0 ? rules.n : rules.v;
    if (choices < 2) {
      this.#status.textContent = `There is only one ${kind} to choose here.`;
      return;
    }
    const key = streamKey(++this.#draws, 'measure');
    this.#changed = this.#draw(treeChange(rules, { kind, level, position: at.position, different: true }, key));
    const d = sentenceLength(rules);
    const [before, after] = [this.#original!, this.#changed].map((t) => t.symbols.slice(-d));
    const tokens = before.flatMap((token, i) => (token === after[i] ? [] : [i]));
    const node = nodeAt(rules, at);
    const what =
      kind === 'rule'
        ? `Symbol ${this.#original!.symbols[node]} at level ${level} is now written by another of its ${rules.m} rules, which keeps its meaning`
        : `Symbol ${this.#original!.symbols[node]} at level ${level} became ${this.#changed.symbols[node]}`;
    const last = tokens.includes(d - 1) ? ' The predicted token is among them.' : '';
    this.#status.textContent = `${what}; ${tokens.length} of ${d} tokens changed, all below it.${last}`;
    this.#render(true);
    this.events.change?.({ kind, level, position: at.position, tokens });
  }

  #render(keepFocus = false): void {
    const rules = this.#rules!;
    const shown = this.#changed ?? this.#original!;
    this.#back.disabled = !this.#changed;
    const tree = drawTree(
      rules,
      this.#original!,
      this.#changed,
      this.#focused,
      {
        resample: (at, kind) => this.#resample(at, kind ?? this.#kind),
        focus: (at) => {
          this.#focused = at;
        },
      },
      this.#width,
    );
    this.#tree.replaceChildren(tree.levels, tree.element);
    if (keepFocus) tree.focus(this.#focused);
    this.#rulesBox.replaceChildren(drawRules(rules, usedRules(rules, shown)));
    this.#numbers.refresh(JSON.stringify([rules.s, rules.L, this.#sentence, shown]));
  }

  /** A row per level; each symbol spans the tokens that it stands for. */
  #table(): HTMLTableElement | undefined {
    const rules = this.#rules;
    const before = this.#original;
    if (!rules || !before) return undefined;
    const after = this.#changed ?? before;
    const { s, L } = rules;
    const rows = Array.from({ length: L + 1 }, (_, depth) => {
      const cells = Array.from({ length: s ** depth }, (_, position) => {
        const node = nodeAt(rules, { depth, position });
        const value = (of: 'symbols' | 'rules') =>
          after[of][node] === before[of][node] ? `${after[of][node]}` : `${after[of][node]} (was ${before[of][node]})`;
        const rule = depth < L ? ` by rule ${value('rules')}` : '';
        return h('td', { colspan: s ** (L - depth) }, value('symbols') + rule);
      });
      return h('tr', {}, h('th', { scope: 'row' }, `level ${L - depth}`), ...cells);
    });
    const caption = h('caption', {}, `Symbols and rules of sentence ${this.#sentence}, from the root to the tokens`);
    return h('table', { class: 'derivation' }, caption, h('tbody', {}, ...rows));
  }
}

/** Rules that a derivation uses: [depth] -> "symbol,rule". */
function usedRules(shape: GrammarShape, { symbols, rules }: TreeOfSentence): Set<string>[] {
  return Array.from({ length: shape.L }, (_, depth) => {
    const used = new Set<string>();
    for (let position = 0; position < shape.s ** depth; position++) {
      const node = nodesOf(shape, depth) + position;
      used.add(`${symbols[node]},${rules[node]}`);
    }
    return used;
  });
}
