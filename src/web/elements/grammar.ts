import { checkSeed } from '../../core/check.js';
import { InputError } from '../../core/errors.js';
import { checkShape, makeRules, sentenceLength } from '../../core/rules.js';
import { GrammarFigure } from '../figures/grammar.js';
import { pageLimits } from '../setting.js';
import { RhmElement } from './base.js';
import { attributeOf, type Properties, reflect } from './properties.js';

/**
 * `<rhm-grammar v="8" m="3" s="2" l="3" seed="1" sentence="0" data-seed="0">`: a grammar, one of its sentences with its derivation,
 * and nodes to resample. All attributes may change at any time. The attribute `norules` hides the rules. Every attribute is a
 * property too, `data-seed` as `dataSeed`. Events: `rhm-change` {kind, level, position, tokens} after a node was resampled,
 * `rhm-sentence` {index, tokens}, `rhm-hide` {hidden} after tokens were hidden or shown again, `rhm-error` {message}.
 */
export class RhmGrammar extends RhmElement {
  static override readonly properties: Properties = {
    v: 'number',
    m: 'number',
    s: 'number',
    l: 'number',
    seed: 'number',
    sentence: 'number',
    dataSeed: 'number',
    norules: 'flag',
  };
  static readonly observedAttributes = Object.keys(RhmGrammar.properties).map(attributeOf);
  static {
    reflect(RhmGrammar.prototype, RhmGrammar.properties);
  }
  /** vocabulary size */
  declare v?: number;
  /** rules per symbol */
  declare m?: number;
  /** branching factor */
  declare s?: number;
  /** depth */
  declare l?: number;
  /** seed of the rules */
  declare seed?: number;
  /** index of the sentence */
  declare sentence?: number;
  /** seed of the sentences */
  declare dataSeed?: number;
  declare norules: boolean;
  readonly #figure = new GrammarFigure({
    change: (detail) => this.emit('rhm-change', detail),
    sentence: (index, tokens) => this.emit('rhm-sentence', { index, tokens }),
    hide: (hidden) => this.emit('rhm-hide', { hidden }),
  });

  constructor() {
    super();
    this.root.append(this.#figure.element);
  }

  protected override async refresh(): Promise<void> {
    const v = this.numberOf('v', 8);
    const shape = checkShape({ v, n: v, m: this.numberOf('m', 3), s: this.numberOf('s', 2), L: this.numberOf('l', 3) });
    if (v > pageLimits['grammar.v'] || sentenceLength(shape) > pageLimits.tokens)
      throw new InputError(
        `rhm-grammar: v = ${v}, s^L = ${sentenceLength(shape)}; it can draw up to v = ${pageLimits['grammar.v']} and ${pageLimits.tokens} tokens`,
      );
    const seed = checkSeed(this.numberOf('seed', 1));
    this.#figure.element.classList.toggle('norules', this.hasAttribute('norules'));
    await this.#figure.show(
      makeRules(shape, seed),
      checkSeed(this.numberOf('data-seed', 0)),
      checkSeed(this.numberOf('sentence', 0), 'sentence'),
    );
  }
}
