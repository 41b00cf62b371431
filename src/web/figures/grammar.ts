/** An interactive grammar: its rules, a derivation over its sentence, and the effect of resampling a node. */
import { type GrammarShape, type Rules, sentenceLength } from '../../core/rules.js';
import type { Source } from '../../core/sampleSource.js';
import { streamKey } from '../../core/threefry.js';
import { createSampler, type Sampler, treeChange } from '../../grammar/index.js';
import { h, uniqueId } from '../dom.js';
import { type Beliefs, beliefChips, beliefsOf, beliefWords, entropyOf, isSure, percent } from './beliefs.js';
import { NumbersTable } from './numbers.js';
import { drawRules } from './rules.js';
import { drawTree, type NodeAction, type NodeAt, nodeAt, nodesOf, type TreeOfSentence, treeSize } from './tree.js';

/** A node was resampled. */
export interface ChangeDetail {
  kind: 'rule' | 'symbol';
  level: number; // counted from the leaves
  position: number; // position of the node in its level
  tokens: number[]; // positions of the changed tokens
}

export interface GrammarFigureEvents {
  /** A node was resampled. */
  change?: (detail: ChangeDetail) => void;
  /** Another sentence is shown. */
  sentence?: (index: number, tokens: readonly number[]) => void;
  /** Tokens were covered or shown again: positions of all covered tokens. */
  hide?: (hidden: readonly number[]) => void;
}

/** Drawn inside `element`; `show` may be called repeatedly. */
export class GrammarFigure {
  readonly element: HTMLElement;
  #rules: Rules | undefined;
  #sampler: Sampler | undefined;
  #source: Source | undefined;
  #sentence = 0;
  #action: NodeAction = 'rule';
  #hidden = new Set<number>(); // positions of covered tokens
  #beliefs: Beliefs | undefined; // defined while any tokens are covered
  #draws = 0; // number of resamplings so far: each uses a new draw
  #original: TreeOfSentence | undefined;
  #changed: TreeOfSentence | undefined;
  #focused: NodeAt = { depth: 0, position: 0 };
  #version = 0;
  #width = 480; // width available to the tree in pixels
  readonly #tree = h('div', { class: 'tree-scroll' });
  readonly #rulesBox = h('div', { class: 'rules', tabindex: '0', role: 'group', 'aria-label': 'Production rules' });
  readonly #numbers = new NumbersTable('The tree as a table', () => this.#table());
  readonly #status = h('p', { class: 'status', role: 'status' });
  readonly #readout = h('p', { class: 'beliefs' });
  readonly #back: HTMLButtonElement;
  readonly #uncover: HTMLButtonElement;

  constructor(readonly events: GrammarFigureEvents = {}) {
    const name = uniqueId('kind');
    const choice = (action: NodeAction, text: string) =>
      h(
        'label',
        { class: 'choice' },
        h('input', {
          type: 'radio',
          name,
          value: action,
          checked: action === this.#action,
          onchange: () => {
            this.#action = action;
          },
        }),
        text,
      );
    this.#back = h('button', { type: 'button', onclick: () => this.#reset(), disabled: true }, 'Undo change');
    this.#uncover = h('button', { type: 'button', onclick: () => this.#showAll(), hidden: true }, 'Show all tokens');
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
          h('legend', {}, 'A click on a node'),
          choice('rule', 'resamples its rule (a synonym)'),
          choice('symbol', 'resamples its symbol (noise)'),
          choice('hide', 'hides its tokens'),
        ),
        h(
          'div',
          { class: 'together' },
          h('button', { type: 'button', onclick: () => this.#next() }, 'New sentence'),
          this.#back,
          this.#uncover,
        ),
      ),
      this.#tree,
      this.#readout,
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
      // Room for what takes a moment to draw is reserved at once, so that nothing below it moves.
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
    this.#hidden.clear();
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
    // If not all of it fits, the root is shown first.
    this.#tree.scrollLeft = (this.#tree.scrollWidth - this.#tree.clientWidth) / 2;
    this.events.sentence?.(sentence, this.#original.symbols.slice(-d));
  }

  #act(at: NodeAt, action = this.#action): void {
    if (action === 'hide') this.#hide(at);
    else this.#resample(at, action);
  }

  /** Covers the tokens below a node; if all of them are covered, shows them. */
  #hide(at: NodeAt): void {
    const { s, L } = this.#rules!;
    this.#focused = at;
    const each = s ** (L - at.depth);
    const own = Array.from({ length: each }, (_, i) => at.position * each + i);
    const shows = own.every((i) => this.#hidden.has(i));
    for (const i of own) {
      if (shows) this.#hidden.delete(i);
      else this.#hidden.add(i);
    }
    this.#render(true);
    this.#status.textContent = this.#hiddenWords();
    this.events.hide?.([...this.#hidden].sort((a, b) => a - b));
  }

  #showAll(): void {
    this.#hidden.clear();
    this.#render(true);
    this.#status.textContent = 'All tokens are shown.';
    this.events.hide?.([]);
  }

  #hiddenWords(): string {
    if (!this.#beliefs) return 'All tokens are shown.';
    const { tokens, probability } = this.#beliefs.best;
    const d = sentenceLength(this.#rules!);
    return `${this.#hidden.size} of ${d} tokens hidden. Most probable sentence given the others: ${tokens.join(' ')}, with ${percent(probability)}.`;
  }

  #nameOf({ depth, position }: NodeAt): string {
    const { L } = this.#rules!;
    if (depth === 0) return 'the root';
    return depth === L ? `token ${position + 1}` : `symbol ${position + 1} of level ${L - depth}`;
  }

  /** Shows the probabilities of a node as chips. */
  #look(at: NodeAt): void {
    const { v, n } = this.#rules!;
    const p = this.#beliefs?.of(at);
    if (!p) {
      this.#readout.replaceChildren();
      return;
    }
    const name = this.#nameOf(at);
    this.#readout.replaceChildren(
      `${name[0].toUpperCase()}${name.slice(1)} given the tokens shown: `,
      ...beliefChips(p, at.depth === 0 ? Math.max(n, v) : v),
      isSure(p) ? '' : ` entropy ${entropyOf(p).toFixed(2)} nats`,
    );
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
    this.#uncover.hidden = !this.#hidden.size;
    const hidden = this.#hidden;
    this.#beliefs = hidden.size ? beliefsOf(rules, shown.symbols.slice(-sentenceLength(rules)), hidden) : undefined;
    const tree = drawTree(
      rules,
      this.#original!,
      this.#changed,
      this.#focused,
      {
        act: (at, action) => this.#act(at, action),
        look: (at, focused) => {
          if (focused) this.#focused = at;
          this.#look(at);
        },
      },
      this.#width,
      this.#beliefs && { hidden, beliefs: this.#beliefs },
    );
    this.#tree.replaceChildren(tree.levels, tree.element);
    if (keepFocus) tree.focus(this.#focused);
    this.#look(this.#focused);
    this.#rulesBox.replaceChildren(drawRules(rules, usedRules(rules, shown, this.#beliefs)));
    this.#numbers.refresh(JSON.stringify([rules.s, rules.L, this.#sentence, shown, [...hidden]]));
  }

  /** One row per level; each symbol spans the tokens below it. */
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
        const at = { depth, position };
        const p = this.#beliefs?.of(at);
        const colspan = s ** (L - depth);
        if (p && !isSure(p)) return h('td', { colspan }, beliefWords(p));
        const rule = depth < L && tupleKnown(rules, at, this.#beliefs) ? ` by rule ${value('rules')}` : '';
        return h('td', { colspan }, value('symbols') + rule);
      });
      return h('tr', {}, h('th', { scope: 'row' }, `level ${L - depth}`), ...cells);
    });
    const caption = h('caption', {}, `Symbols and rules of sentence ${this.#sentence}, from the root to the tokens`);
    return h('table', { class: 'derivation' }, caption, h('tbody', {}, ...rows));
  }
}

/** Whether all symbols written by a node's rule are known. */
const tupleKnown = ({ s }: GrammarShape, { depth, position }: NodeAt, beliefs: Beliefs | undefined): boolean =>
  !beliefs ||
  Array.from({ length: s }, (_, i) => ({ depth: depth + 1, position: s * position + i })).every((child) =>
    isSure(beliefs.of(child)),
  );

/** Rules that a derivation is known to use: [depth] -> "symbol,rule". */
function usedRules(
  shape: GrammarShape,
  { symbols, rules }: TreeOfSentence,
  beliefs: Beliefs | undefined,
): Set<string>[] {
  return Array.from({ length: shape.L }, (_, depth) => {
    const used = new Set<string>();
    for (let position = 0; position < shape.s ** depth; position++) {
      const node = nodesOf(shape, depth) + position;
      if (tupleKnown(shape, { depth, position }, beliefs)) used.add(`${symbols[node]},${rules[node]}`);
    }
    return used;
  });
}
