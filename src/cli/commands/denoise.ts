/** `rhm denoise`: the forward-backward experiment, with the exact posterior and with a trained network. */
import { type Command, Option } from 'commander';
import { checkSeed } from '../../core/check.js';
import { InputError } from '../../core/errors.js';
import type { Rules } from '../../core/rules.js';
import { type OpenExecutor, openExecutor } from '../../platform/executor.js';
import { denoisingCurve, denoisingThreshold, type LeafNoise, leafNoises } from '../../theory/index.js';
import { denoiseWith, type NetworkDenoisingPoint } from '../../training/denoise.js';
import { weightsOf } from '../../training/weights.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, integer } from '../context.js';
import { type GrammarFlags, grammarOptions, loadGrammar, looseNumber } from '../grammarOptions.js';
import { readRun, runFolder } from '../runFolder.js';

interface Options extends GrammarFlags, ComputeOptions {
  seed: number;
  noise?: LeafNoise;
  rates: number[];
  sentences: number;
  run?: string;
  weights: 'best' | 'last';
  replica: number;
}

const DEFAULT_RATES = Array.from({ length: 11 }, (_, i) => i / 10);

export function addDenoise(program: Command, io: CommandContext): void {
  const command = grammarOptions(program.command('denoise'))
    .description(
      'the forward-backward experiment: put noise on the leaves, draw a tree from the exact posterior, and print the fraction of symbols of each ' +
        'level that changed, for each noise rate, and the rate at which a deep tree is predicted to lose its root',
    )
    .option('--seed <seed>', 'seed of the rules, the sentences and the noise', looseNumber, 0)
    .addOption(
      new Option(
        '--noise <kind>',
        'replace: a token is redrawn uniformly from all v; mask: it is hidden; belief: every leaf is observed through that noise, without a draw ' +
          '(default: replace; mask with --run)',
      ).choices(leafNoises),
    )
    .option('--rates <list>', 'noise rates from 0 to 1, such as 0.1,0.2', ratesOf, DEFAULT_RATES)
    .option('--sentences <n>', 'sentences per rate', integer(2, 2 ** 16), 256)
    .option(
      '--run <run>',
      'a run of the task mask: its network fills in the masked tokens too, on the grammar of the run',
    )
    .addOption(
      new Option('--weights <which>', 'weights of the run: best or last').choices(['best', 'last']).default('best'),
    )
    .option('--replica <r>', 'replica of the run', integer(0), 0);
  addComputeOptions(command).action(async (options: Options, own: Command) => {
    const { seed, rates, sentences, run } = options;
    checkSeed(seed);
    const noise = options.noise ?? (run ? 'mask' : 'replace');
    if (run && noise !== 'mask')
      throw new InputError(`--noise ${noise}: a network fills in masked tokens; pass mask, or leave --run out`);
    const found = run ? await ofRun(run, options, io) : { rules: await loadGrammar(options, seed), network: undefined };
    const { rules, network } = found;
    const exact = denoisingCurve(rules, { noise, rates, sentences, seed });
    const threshold = denoisingThreshold(rules, noise);
    const { v, n, m, s, L } = rules;
    const result = { grammar: { v, n, m, s, L }, noise, sentences, threshold: threshold ?? null, exact, network };
    await io.result(own, result, () =>
      [
        ...tableOf('exact posterior', exact, rules),
        ...(network ? ['', ...tableOf('network', network, rules)] : []),
        '',
        threshold === undefined
          ? 'no threshold: any noise loses the root'
          : `a deep tree of this v, m and s loses its root at the rate ${threshold.toFixed(2)} (density evolution, over grammars)`,
      ].join('\n'),
    );
  });
}

async function ofRun(
  run: string,
  options: Options,
  io: CommandContext,
): Promise<{ rules: Rules; network: NetworkDenoisingPoint[] }> {
  const { which, replica, rates, sentences, seed } = { ...options, which: options.weights };
  const { experiment, rules, checkpoint, checkpointFile } = await readRun(await runFolder(run), io.log);
  const weights = weightsOf(checkpoint, checkpointFile, { which, replica });
  let opened: OpenExecutor | undefined;
  try {
    opened = await openExecutor(io.platform, options, io.log);
    const network = await denoiseWith(experiment, rules, weights, opened.executor, { rates, sentences, seed });
    return { rules, network };
  } finally {
    await opened?.release();
  }
}

function ratesOf(list: string): number[] {
  const rates = list.split(',').map((word) => (word.trim() ? Number(word) : Number.NaN));
  const wrong = rates.findIndex((rate) => !(rate >= 0 && rate <= 1));
  if (wrong >= 0)
    throw new InputError(
      `--rates: got ${list.split(',')[wrong] || 'nothing'}; pass numbers from 0 to 1, such as 0.1,0.2`,
    );
  return rates;
}

/** One line per rate: the tokens in the first column, the root in the last. */
function tableOf(
  title: string,
  points: readonly { rate: number; changed: readonly number[]; valid?: readonly number[] }[],
  { L }: Rules,
): string[] {
  const levels = Array.from({ length: L + 1 }, (_, level) =>
    level === 0 ? 'tokens' : level === L ? 'root' : `level ${level}`,
  );
  const isValid = points[0]?.valid !== undefined;
  const head = ['rate', ...levels, ...(isValid ? ['valid'] : [])].map((word) => word.padStart(8)).join('');
  const rows = points.map(({ rate, changed, valid }) =>
    [rate, ...changed, ...(valid ? [valid[L]] : [])].map((x) => x.toFixed(3).padStart(8)).join(''),
  );
  return [
    `${title}: fraction of symbols that changed${isValid ? '; valid: of sentences up to the root' : ''}`,
    head,
    ...rows,
  ];
}
