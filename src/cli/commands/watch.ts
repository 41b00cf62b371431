/** `rhm watch`: a page that shows a running sweep, on this machine only. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { InputError } from '../../core/errors.js';
import { isStore, listRuns } from '../../platform/runList.js';
import { serveFolder } from '../../platform/staticServer.js';
import { type CommandContext, integer } from '../context.js';
import { readGridOfStore, storeOf } from '../sweep/options.js';
import { Watcher, type WatchQuery } from '../watch/watcher.js';

interface Options {
  port: number;
  out?: string;
}

const MOST_CURVES = 48;

export function addWatch(program: Command, io: CommandContext): void {
  program
    .command('watch')
    .description(
      'serve a page with the loss curves of a running sweep beside their plateaus, its workers and its failures; works through an ssh tunnel',
    )
    .argument('<store>', 'store of a sweep, a grid file, or a folder with runs')
    .option('--out <dir>', 'store of the grid (default: out/sweep-<name>)')
    .option('--port <n>', 'port on the loopback address; 0 for a free one', integer(0, 65535), 8138)
    .action(async (target: string, options: Options, command: Command) => {
      const watcher = await open(target, options);
      const folder = join(dirname(realpathSync(process.argv[1])), 'watch');
      const server = await serveFolder(folder, {
        port: options.port,
        answers: { '/api/state': (query) => watcher.state(queryOf(query)) },
      });
      const value = { url: server.url, store: watcher.root };
      await io.result(command, value, () => `${server.url}\n`);
      const { port } = new URL(server.url);
      io.log(
        `from another machine: ssh -L ${port}:127.0.0.1:${port} THIS_MACHINE, then open the same address there; stop with Ctrl+C`,
      );
      await new Promise<void>((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
      });
      await server.close();
    });
}

async function open(target: string, { out }: Options): Promise<Watcher> {
  const stat = statSync(target, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    if (!isStore(target)) await listRuns(target); // throws for a folder without runs
    return new Watcher(target, isStore(target));
  }
  const grid = await readGridOfStore(target);
  const store = storeOf(grid, out);
  if (!existsSync(join(store, 'store.json')))
    throw new InputError(`${store}: no sweep is stored here yet; start rhm sweep run ${target} first, or pass --out`);
  // The runs of a search depend on each other's results, so they are not all known in advance.
  const planned = grid.search ? undefined : new Map(grid.runs.map(({ hash, name }) => [hash, name]));
  return new Watcher(store, true, planned);
}

/** @throws InputError for text that is not a number. */
function queryOf(query: URLSearchParams): WatchQuery {
  const count = Number(query.get('count') ?? 12);
  if (!Number.isInteger(count) || count < 1 || count > MOST_CURVES)
    throw new InputError(`count: got ${query.get('count')}; pass a whole number from 1 to ${MOST_CURVES}`);
  return {
    where: query.get('where') ?? '',
    sort: query.get('sort') ?? '',
    reverse: query.get('reverse') === '1',
    count,
  };
}
