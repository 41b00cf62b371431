/** `npm start`, `npm run bench`: set-up (packages, build), then the command line with the arguments given. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, fail, root } from './setup.mjs';

ensureInstalled();
const { buildBundles } = await import('./build.mjs');
try {
  await buildBundles();
} catch (error) {
  fail(`the build failed: ${error.message}`);
}
const child = spawn(process.execPath, ['--enable-source-maps', join(root, 'dist/cli.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// On Windows a signal from here would end the command before it has saved; the console sends it Ctrl-C itself.
const pass = (signal) => process.platform !== 'win32' && child.kill(signal);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => pass(signal));
child.on('exit', (code, signal) => {
  if (signal) fail(`the command was ended by ${signal}`);
  process.exitCode = code ?? 1;
});
