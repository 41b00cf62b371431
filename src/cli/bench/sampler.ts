/** `rhm bench sampler`: sentences per second of every sampler on this machine, compared with plain JavaScript. */
import type { Command } from 'commander';
import { CLOCK_WORDS } from '../../core/clock.js';
import { AdapterError } from '../../core/errors.js';
import { grammarImage } from '../../core/grammarImage.js';
import { makeRules, type Rules } from '../../core/rules.js';
import { SOURCE_WORDS, type Source, sourceWords } from '../../core/sampleSource.js';
import { streamKey } from '../../core/threefry.js';
import { createParallelSampler } from '../../grammar/parallel.js';
import { createSampler } from '../../grammar/sampler.js';
import { gpuExecutor } from '../../kernels/index.js';
import { sample } from '../../kernels/sample.js';
import { ProgramBuilder } from '../../plan/builder.js';
import type { CommandContext } from '../context.js';
import { integer } from '../context.js';
import { type GrammarFlags, grammarOptions, sizesOf, weightsOf } from '../grammarOptions.js';

interface Options extends GrammarFlags {
  threads: number;
  adapter?: string;
  gpu: boolean;
}

interface SamplerTime {
  sampler: string;
  mtokens_per_s: number; // best of the rounds
  memory_bytes: number; // memory of the sampler, for any count
}

const TOKENS = 2 ** 22; // of a round
const ROUNDS = 15;

export function addBenchSampler(program: Command, io: CommandContext): void {
  grammarOptions(program.command('sampler'), false)
    .description(
      'million tokens per second: WebAssembly on one and several threads, WGSL, plain JavaScript (v=16 m=4 s=2 L=4)',
    )
    .option('--threads <n>', 'threads for the shared sampler', integer(2, 256), 2)
    .option('--no-gpu', 'do not measure the GPU')
    .option('--adapter <name>', 'gpu, lavapipe, swiftshader or an adapter name')
    .action(async (options: Options, command: Command) => {
      const rules = makeRules(sizesOf({ v: 16, m: 4, L: 4, ...options }), 1, weightsOf(options));
      const times: SamplerTime[] = [];
      const report = (time: SamplerTime) => {
        times.push(time);
        io.progress(line(time));
      };
      report(javascript(rules));
      await onCpu(rules, report);
      await onThreads(rules, options.threads, io, report);
      let adapter = 'none';
      if (options.gpu) adapter = await onGpu(rules, options.adapter, io, report);
      const rate = (name: string) => times.find((t) => t.sampler === name)?.mtokens_per_s ?? Number.NaN;
      const speedup = rate(`wasm, ${options.threads} threads, u8`) / rate('wasm, u8');
      const { v, n, m, s, L } = rules;
      const found = { runtime: io.platform.runtime, adapter, grammar: { v, n, m, s, L }, times, speedup };
      await io.result(command, found, () =>
        [
          `${found.runtime}, adapter ${adapter}; v=${v} m=${m} s=${s} L=${L}`,
          ...times.map(line),
          `${options.threads} threads over one: ${speedup.toFixed(2)}`,
        ].join('\n'),
      );
    });
}

function line({ sampler, mtokens_per_s, memory_bytes }: SamplerTime): string {
  return `${sampler.padEnd(28)} ${mtokens_per_s.toFixed(0).padStart(8)} Mtoken/s  ${(memory_bytes / 2 ** 20).toFixed(1)} MiB`;
}

const stream: Source = { mode: 'stream', key: streamKey(1, 'data'), size: 0n, first: 0, length: 0 };

/** The best of the rounds: other work on the machine can only add time. */
async function best(tokens: number, rounds: number, work: (round: number) => void | Promise<void>): Promise<number> {
  await work(0);
  let shortest = Number.POSITIVE_INFINITY;
  for (let round = 1; round <= rounds; round++) {
    const start = performance.now();
    await work(round);
    shortest = Math.min(shortest, performance.now() - start);
  }
  return tokens / shortest / 1000;
}

async function onCpu(rules: Rules, report: (time: SamplerTime) => void): Promise<void> {
  for (const [name, general, bytes] of [
    ['wasm, u8', false, 1],
    ['wasm, u32', false, 4],
    ['wasm, general path, u32', true, 4],
  ] as const) {
    if (bytes === 1 && rules.v > 256) continue;
    const sampler = await createSampler(rules, { general });
    const count = Math.max(1, Math.floor(TOKENS / sampler.tokensPerSentence));
    const out = sampler.allocate(count, bytes);
    const memory = sampler.memory.buffer.byteLength;
    const rate = await best(out.length, ROUNDS, (round) => sampler.tokens(stream, round * count, count, out));
    report({ sampler: name, mtokens_per_s: rate, memory_bytes: memory });
  }
}

async function onThreads(rules: Rules, threads: number, io: CommandContext, report: (time: SamplerTime) => void) {
  const spawn =
    io.platform.name === 'node'
      ? (await import('../../platform/nodeThread.js')).spawnNodeThread
      : (await import('../../platform/webThread.js')).spawnWebThread;
  const sampler = await createParallelSampler(rules, { threads, spawn });
  try {
    const count = Math.max(1, Math.floor((4 * TOKENS) / sampler.tokensPerSentence));
    const bytes = rules.v > 256 ? 4 : 1;
    const out = sampler.allocate(count, bytes);
    const memory = sampler.memory.buffer.byteLength;
    const rate = await best(out.length, ROUNDS, (round) => sampler.fill(stream, round * count, count, out));
    report({ sampler: `wasm, ${threads} threads, u${8 * bytes}`, mtokens_per_s: rate, memory_bytes: memory });
  } finally {
    await sampler.destroy();
  }
}

async function onGpu(
  rules: Rules,
  adapter: string | undefined,
  io: CommandContext,
  report: (time: SamplerTime) => void,
) {
  try {
    const session = await io.platform.openGpu({ adapter, report: io.log });
    try {
      const image = grammarImage(rules);
      const { s, L } = rules;
      // Enough work to fill the device, little enough for a software driver.
      const batch = Math.max(1, Math.floor((session.info.software ? 2 ** 19 : 2 ** 25) / s ** L));
      const builder = new ProgramBuilder(1);
      const grammar = builder.persistent('grammar', [image.length], 'u32');
      const source = builder.persistent('source', [SOURCE_WORDS], 'u32');
      const clock = builder.persistent('clock', [CLOCK_WORDS], 'u32');
      const tokens = builder.persistent('tokens', [batch, s ** L], 'u32');
      sample(builder.plan('draw'), { label: 'bench', s, L, grammar, source, clock, tokens, endless: true });
      const loaded = await gpuExecutor(session).load(builder.build());
      loaded.write(grammar, image);
      loaded.write(source, sourceWords(stream));
      const times = session.info.software ? 2 : 20;
      const rate = await best(batch * s ** L * times, 5, async () => {
        await loaded.run('draw', times);
        await loaded.finish();
      });
      report({ sampler: 'wgsl, u32', mtokens_per_s: rate, memory_bytes: loaded.memoryBytes });
      loaded.destroy();
      return session.info.name;
    } finally {
      await session.release();
    }
  } catch (error) {
    if (!(error instanceof AdapterError) || adapter) throw error;
    io.log(`no GPU: ${error.message}`);
    return 'none';
  }
}

/** The straightforward implementation: xorshift32, nested tables of typed arrays, one draw per rule. */
function javascript(rules: Rules): SamplerTime {
  const { n, m, s, L } = rules;
  const tables = rules.rules.map((symbols) => Uint8Array.from(symbols.flat(2)));
  const d = s ** L;
  const count = Math.max(1, Math.floor(TOKENS / 4 / d));
  const out = new Uint8Array(count * d);
  let current = new Uint8Array(d);
  let next = new Uint8Array(d);
  let state = 88675123;
  const draw = (bound: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 2 ** 32) * bound);
  };
  const round = () => {
    for (let i = 0; i < count; i++) {
      current[0] = draw(n);
      for (let l = 0, width = 1; l < L; l++, width *= s) {
        const table = tables[l];
        for (let p = 0; p < width; p++) {
          const at = (current[p] * m + draw(m)) * s;
          for (let c = 0; c < s; c++) next[p * s + c] = table[at + c];
        }
        [current, next] = [next, current];
      }
      out.set(current, i * d);
    }
  };
  round();
  let shortest = Number.POSITIVE_INFINITY;
  for (let k = 0; k < ROUNDS; k++) {
    const start = performance.now();
    round();
    shortest = Math.min(shortest, performance.now() - start);
  }
  return { sampler: 'plain JavaScript, u8', mtokens_per_s: (count * d) / shortest / 1000, memory_bytes: out.length };
}
