/** `npm run check`: strict types, format and lint, unused exports and files. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, root } from './setup.mjs';

ensureInstalled();
const { buildWasm } = await import('./build.mjs');
await buildWasm();
const bin = (name) => join(root, 'node_modules/.bin', name);
const steps = [
  [bin('tsc'), ['-p', 'tsconfig.json']],
  [bin('biome'), ['check', process.argv.includes('--fix') ? '--write' : '--error-on-warnings']],
  [bin('knip'), ['--no-progress']], // its settings: package.json
];
let status = 0;
for (const [command, args] of steps) status ||= spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
process.exit(status);
