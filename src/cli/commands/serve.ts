/** `rhm serve`: the page, only on this machine unless --host says otherwise. */
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { serveFolder } from '../../platform/staticServer.js';
import { type CommandContext, integer } from '../context.js';

interface Options {
  port: number;
  host: string;
  isolated?: boolean;
  origins?: string[];
  dir?: string;
  json?: boolean;
}

export function addServe(program: Command, io: CommandContext): void {
  program
    .command('serve')
    .description('serve the page: grammars, training and representations in a browser')
    .option('--port <n>', 'port to listen on; 0 for a free one', integer(0, 65535), 8137)
    .option(
      '--host <address>',
      'address to listen on; any but the loopback address opens the page to the network',
      '127.0.0.1',
    )
    .option('--isolated', 'send the headers COOP and COEP, so that WebAssembly can use threads')
    .option(
      '--origins <origin...>',
      'let pages of these origins, such as https://example.org, load the served files, use the elements and frame the page; * for any',
    )
    .option(
      '--dir <folder>',
      'serve this folder (with an index.html, such as a report) instead of the page; scripts and styles may stand inside its documents, but none come from other hosts',
    )
    .action(async (options: Options, command: Command) => {
      const folder = options.dir ?? join(dirname(realpathSync(process.argv[1])), 'page');
      const server = await serveFolder(folder, { ...options, inline: options.dir !== undefined });
      await io.result(command, { url: server.url, folder }, () => `${server.url}\n`);
      io.log('stop with Ctrl+C');
      await new Promise<void>((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
      });
      await server.close();
    });
}
