/** The text of the story, with the numbers of the recording. */
import type { RecordedNetwork, Recording } from '../../analysis/recording.js';
import { modelFacts } from '../../core/modelFacts.js';
import { sentenceLength } from '../../core/rules.js';
import { measuredSteps } from './timeline.js';

export interface Told {
  title: string;
  sentences: string[]; // with the markup of `paragraph`
}

/** 4123 becomes about 4,100: one grammar and one seed justify two digits. */
export const roundedCount = (P: number): string =>
  Number(P.toPrecision(2)).toLocaleString('en', { maximumFractionDigits: 0 });

const nameOf = ({ kind }: RecordedNetwork) => modelFacts(kind).title;

/** `hierarchical CNN 4,900, locally connected net 4,700, transformer 27,000` */
function needed(recording: Recording, ell: number): string {
  const { networks, H } = recording;
  return networks
    .map((network) => {
      const P = measuredSteps(network, H)[ell - 1];
      const most = network.sentences[network.sentences.length - 1];
      return `${nameOf(network)} ${P === undefined ? `more than ${roundedCount(most)}` : roundedCount(P)}`;
    })
    .join(', ');
}

/** Smallest and largest of a step, as `1,100 to 1,500`. */
function range(recording: Recording, ell: number): string {
  const all = recording.networks.flatMap((network) => measuredSteps(network, recording.H)[ell - 1] ?? []);
  const [low, high] = [Math.min(...all), Math.max(...all)].map(roundedCount);
  return low === high ? low : `${low} to ${high}`;
}

export const question =
  'The next step needs a symbol two levels up. Which network will find it with the fewest sentences?';

export function storyOf(recording: Recording): Told[] {
  const { grammar, H, networks } = recording;
  const { m, s } = grammar;
  const nats = (a: number, b: number) => (H[a] - H[b]).toFixed(2);
  const tokens = sentenceLength(grammar);
  return [
    {
      title: 'Guess the last token',
      sentences: [
        `A random grammar generates sentences of ${tokens} tokens from one root symbol; each symbol can be written in *m* = ${m} ways, its synonyms.`,
        `${networks.length === 3 ? 'Three' : networks.length} networks predict the last token. Each is trained on the same *P* distinct sentences until it stops improving. Without context the best loss is *H*(0) = ${H[0].toFixed(2)} nats.`,
      ],
    },
    {
      title: 'One neighbour: counting is enough',
      sentences: [
        `The neighbouring token is worth *H*(0) − *H*(1) = ${nats(0, 1)} nats. Counting which pairs occur together is enough.`,
        `That takes ${range(recording, 1)} sentences and needs no notion of a hierarchy.`,
      ],
    },
    {
      title: 'Synonyms',
      sentences: [
        `The next ${s === 2 ? 'pair' : 'tuple'} is worth ${nats(1, 2)} nats, but only through the ringed symbol above it, which ${m} ${s === 2 ? 'pairs' : 'tuples'} stand for.`,
        `They are recognised as synonyms by what follows them, once this correlation exceeds the noise of *P* samples. The law is the same for all networks here; measured: ${range(recording, 2)} sentences.`,
      ],
    },
    {
      title: 'Synonyms of synonyms',
      sentences: [
        `Now a symbol two levels up, worth ${nats(2, 3)} nats. Seen from raw tokens, its correlation is weaker by √*m* for every level in between.`,
        `A CNN uses the symbols that it has already found instead of tokens; a transformer starts from tokens in every new block. Measured sentences: ${needed(recording, 3)}.`,
      ],
    },
    { title: 'Why, and what comes next', sentences: [closing(recording), next(recording)] },
  ];
}

/** How many sentences each network needed for the third step, what theory predicts, and why they differ. */
export function closing(recording: Recording): string {
  const { grammar, networks, H } = recording;
  const { m } = grammar;
  const steps = networks.map((network) => measuredSteps(network, H));
  const factors = steps.map(([, second, third]) => (second && third ? (third / second).toPrecision(2) : undefined));
  const times = factors.every((factor) => factor) ? `: ${listed(factors as string[])} times the second` : '';
  const first =
    `Sentences for the third step: ${needed(recording, 3)}${times}. Theory says *m* = ${m} times for a CNN and *m*^{2} = ${m * m} for a ` +
    'transformer: tokens correlate less with a high-level symbol than the symbols found below it do.';
  const [cnn, local] = ['hcnn', 'hlcn'].map((kind) => steps[networks.findIndex((n) => n.kind === kind)]?.[2]);
  if (!cnn || !local) return first;
  const how = local > 1.5 * cnn ? 'falls behind, as argued' : 'keeps up with the CNN here';
  return `${first} The locally connected net, which shares no weights and is argued to follow the transformer’s law, ${how}.`;
}

/** `a, b and c` */
function listed(parts: readonly string[]): string {
  return parts.length < 2 ? (parts[0] ?? '') : `${parts.slice(0, -1).join(', ')} and ${parts[parts.length - 1]}`;
}

/** The fourth step: the measurements, and the law's prediction for networks that have not taken it. */
function next({ grammar, H, P, networks }: Recording): string {
  const { L } = grammar;
  const told = networks.map((network) => {
    const steps = measuredSteps(network, H);
    const [third, fourth] = [steps[L - 2], steps[L - 1]];
    const { family } = modelFacts(network.kind);
    if (fourth !== undefined) return `${nameOf(network)} ${roundedCount(fourth)}`;
    if (third === undefined || !family) return `${nameOf(network)} beyond the recording`;
    const ratio = P[family][L - 1] / P[family][L - 2];
    return `${nameOf(network)} ${roundedCount(ratio * third)}, a prediction, ${ratio} times its third`;
  });
  return `The fourth: ${told.join('; ')}.`;
}

/** The answer to a reader's guess; given immediately, since the story then shows it. */
export function answerOf(recording: Recording, guess: RecordedNetwork): string {
  const P = recording.networks.map((network) => measuredSteps(network, recording.H)[2] ?? Number.POSITIVE_INFINITY);
  const mine = P[recording.networks.indexOf(guess)];
  const rank = P.filter((other) => other < mine / 1.25).length; // one seed cannot distinguish networks closer than that
  const others = P.filter(
    (other, i) => recording.networks[i] !== guess && other <= mine * 1.25 && other >= mine / 1.25,
  );
  if (rank > 0) return `Another network will be earlier than the ${nameOf(guess)}: watch.`;
  return others.length ? `The ${nameOf(guess)} will, together with another network.` : `The ${nameOf(guess)} will.`;
}
