/** `model.wiring`: the tree along which a network is built if the positions of sentences are shuffled. */
import { InputError } from '../core/errors.js';
import { grammarImage } from '../core/grammarImage.js';
import { sentenceLength } from '../core/rules.js';
import { inOrder, inverseOrder, shuffledOrder } from '../core/shuffle.js';
import { sampleTokens } from '../reference/sample.js';
import { alignTree, findTree, PairCounts, treeComplexity } from '../theory/index.js';
import type { Member } from './members.js';

/** Maximum number of sentences from which the tree is found: far more than needed at the sizes of the paper. */
const MOST_SENTENCES = 2 ** 14;
const SURE = 0.9;
const MARGIN = 2; // standard deviations by which a group must prefer its order

/** The order in which an experiment's positions are shown; undefined: that of the tree. */
export function orderOf({ grammar }: Member['experiment']): Uint32Array | undefined {
  return grammar.shuffle === undefined ? undefined : shuffledOrder(sentenceLength(grammar), grammar.shuffle);
}

/**
 * order[p]: the shown position that the network reads at its position p; undefined: as shown.
 * @throws InputError if its sentences are too few to find the tree
 */
export function wiringOf(member: Member): Uint32Array | undefined {
  const { model } = member.experiment;
  const shown = orderOf(member.experiment);
  if (!shown || !('wiring' in model)) return undefined;
  if (model.wiring === 'true') return inverseOrder(shown);
  return model.wiring === 'learned' ? learned(member, shown, model.kind === 'hcnn') : undefined;
}

/** order[p]: the place in the grammar's sentence that the network reads at its position p; undefined: in the order of the tree. */
export function networkOrder(member: Member): Uint32Array | undefined {
  const shown = orderOf(member.experiment);
  const wiring = shown && wiringOf(member);
  return wiring ? wiring.map((p) => shown[p]) : shown;
}

const found = new Map<string, Uint32Array>();

/** sharing: the same filters at every place, so that the order inside a group matters. */
function learned(
  { rules, language, train, experiment, seed }: Member,
  shown: Uint32Array,
  sharing: boolean,
): Uint32Array {
  const P = Math.min(MOST_SENTENCES, experiment.budget.sentences ?? MOST_SENTENCES);
  const { size: _, ...source } = train;
  const key = JSON.stringify([source, String(train.size), experiment.grammar, seed, P, sharing]);
  const known = found.get(key);
  if (known) return known;
  const d = shown.length;
  const image = grammarImage(language);
  const tokens = new Uint32Array(P * d);
  // In the order of the first epoch: each sentence of the training set once.
  for (let i = 0; i < P; i++) tokens.set(sampleTokens(image, { ...train, orderKey: undefined }, i), i * d);
  const counts = new PairCounts(d, rules.v);
  counts.add(inOrder(tokens, shown), P);
  const tree = findTree(counts.information, rules.s, P);
  const unsure = tree.sure.findIndex((sure) => !(sure >= SURE));
  if (unsure >= 0)
    throw new InputError(
      `model.wiring: the tree found from P = ${P} sentences has confidence ${tree.sure[unsure].toFixed(2)} at level ${unsure + 1}, expected ${SURE}; ` +
        `take more sentences (the law of token pairs: ${treeComplexity(rules)[unsure]}), or wiring 'true'`,
    );
  const { order, margins } = alignTree(tree, counts);
  const loose = margins.findIndex((margin) => !(margin >= MARGIN));
  if (sharing && loose >= 0)
    throw new InputError(
      `model.wiring: the order inside the groups of level ${loose + 1} found from P = ${P} sentences is ${margins[loose].toFixed(1)} standard deviations ` +
        `better than another, expected ${MARGIN}; take more sentences, model hlcn, which needs no order, or wiring 'true'`,
    );
  const result = Uint32Array.from(sharing ? order : tree.order);
  found.set(key, result);
  return result;
}
