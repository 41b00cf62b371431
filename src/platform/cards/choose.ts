/** Ways to give a process one of several cards, and the check of which card it got. Linux; Node and Deno. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import process from 'node:process';
import { type Card, deviceOf } from './list.js';
import { simulatedWay } from './simulated.js';

/** WebGPU runtimes offer one adapter, the first card: to give a process another card, all cards before it are hidden. */
export interface Way {
  readonly name: string;
  /** Description for people. */
  readonly about: string;
  /** How to start a program that sees only this card of `all`. */
  start(card: Card, all: readonly Card[], program: readonly string[]): Start;
}

export interface Start {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface WaysFound {
  readonly way?: Way;
  /** Why the other ways do not work here. */
  readonly problems: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The first way that works here. */
export function findWay(cards: readonly Card[], env: Environment): WaysFound {
  const simulated = simulatedWay(env);
  if (simulated === 'told') return { way: told, problems: [] };
  if (simulated === 'none') return { problems: ['the simulated cards cannot be chosen'] };
  if (process.platform !== 'linux') return { problems: ['a process is given one card of several on Linux only'] };
  const problems: string[] = [];
  // First as root without a user namespace, since many systems forbid those; then as an ordinary user in a new one.
  for (const way of [namespace(['-m']), namespace(['-r', '-m'])]) {
    const problem = tryOut(way, cards);
    if (problem === undefined) return { way, problems };
    problems.push(`${way.name}: ${problem}`);
  }
  return { problems };
}

/** Mounts /dev/null over the device files of the other cards, in a mount namespace private to the process. */
const namespace = (options: readonly string[]): Way => ({
  name: `unshare ${options.join(' ')}`,
  about: 'the other cards’ device files are covered in a separate mount namespace',
  start(card, all, program) {
    const covered = all.filter(({ index }) => index !== card.index).flatMap(({ files }) => files);
    return { command: ['unshare', ...options, 'sh', '-c', cover, 'rhm', ...covered, '--', ...program] };
  },
});

const cover = 'while [ "$1" != -- ]; do mount --bind /dev/null "$1" || exit 126; shift; done; shift; exec "$@"';

/** Only simulated cards support this way. */
const told: Way = {
  name: 'told',
  about: 'the simulated driver is told',
  start: (card, _, program) => ({ command: program, env: { RHM_SIMULATED_CARD: card.files[0] } }),
};

/** Covers all cards but the last and checks what the system then shows. undefined: it works. */
function tryOut(way: Way, cards: readonly Card[]): string | undefined {
  const card = cards.at(-1)!;
  const files = cards.flatMap(({ files }) => files);
  const { command } = way.start(card, cards, ['stat', '-L', '-c', '%t:%T', ...files]);
  const [file, ...args] = command;
  const { error, status, signal, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 30_000 });
  if (error)
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? `no program ${file} (util-linux)` : error.message;
  if (status !== 0) return (stderr.trim().split('\n')[0] || `ended with ${signal ?? status}`).replace(/^unshare: /, '');
  const seen = stdout.trim().split('\n');
  const isNull = files.map((_, i) => seen[i] === '1:3'); // the numbers of /dev/null
  const wanted = files.map((file) => !card.files.includes(file));
  return isNull.every((is, i) => is === wanted[i]) ? undefined : 'the device files were not covered';
}

/** What a process can observe of the cards: those it has open, and those it can see at all. By index. */
export interface CardsSeen {
  readonly open: readonly number[];
  readonly visible: readonly number[];
}

/**
 * Examines the files that this process has open: a driver keeps those of its card open, in whatever order it lists cards. Files
 * are compared by device, because a covered one keeps its name. undefined: this system does not provide that information.
 */
export function cardsSeen(cards: readonly Card[]): CardsSeen | undefined {
  if (process.platform !== 'linux') return undefined;
  const leadsTo = (file: string): string => {
    try {
      return deviceOf(statSync(file));
    } catch {
      return ''; // closed in the meantime, or missing
    }
  };
  let open: Set<string>;
  try {
    open = new Set(readdirSync('/proc/self/fd').map((number) => leadsTo(`/proc/self/fd/${number}`)));
  } catch {
    return undefined;
  }
  const where = (test: (card: Card) => boolean) => cards.filter(test).map(({ index }) => index);
  return {
    open: where(({ devices }) => devices.some((device) => open.has(device))),
    visible: where(({ files, devices }) => files.some((file, i) => leadsTo(file) === devices[i])),
  };
}

/** The evidence against a process computing on this card alone; undefined: none. */
export function wrongCard(card: Card, seen: CardsSeen | undefined): string | undefined {
  if (!seen) return 'this system does not tell which device files a process has open';
  const others = seen.open.filter((index) => index !== card.index);
  if (others.length) return `it opened card ${others.join(' and ')}`;
  if (seen.open.includes(card.index)) return undefined;
  return seen.visible.length === 1 && seen.visible[0] === card.index
    ? undefined // some sandboxes open the devices on behalf of the process, which cannot reach any other card
    : 'it has not opened the card';
}
