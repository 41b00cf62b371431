/** `rhm serve`: the page, on this machine only unless asked otherwise. */
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
    .description('the page: grammars, training and representations in a browser')
    .option('--port <n>', 'port to listen on; 0 takes a free one', integer(0, 65535), 8137)
    .option(
      '--host <address>',
      'address to listen on; others than the loopback address open the page to the network',
      '127.0.0.1',
    )
    .option('--isolated', 'send the headers COOP and COEP, which give WebAssembly threads')
    .option(
      '--origins <origin...>',
      'pages of these origins, such as https://example.org, may load what is served, run its elements and frame it; * is any',
    )
    .option('--dir <folder>', 'a folder with an index.html to serve instead of the page, such as a report')
    .action(async (options: Options, command: Command) => {
      const folder = options.dir ?? join(dirname(realpathSync(process.argv[1])), 'page');
      const server = await serveFolder(folder, { ...options, inlineStyles: options.dir !== undefined });
      await io.result(command, { url: server.url, folder }, () => `${server.url}\n`);
      io.log('stop with Ctrl+C');
      await new Promise<void>((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
      });
      await server.close();
    });
}
