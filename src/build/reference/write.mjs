/** The reference from the declarations, as pages for any web server. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const INLINE = /<script>(document\.documentElement\.dataset\.theme[^<]*)<\/script>/;

/**
 * @param {string} root of the project
 * @param {string} out a folder that is not there yet
 */
export function writeReference(root, out) {
  const own = join(root, 'src/build/reference');
  const types = join(root, 'dist/types');
  const entries = ['index', 'node', 'web', 'engine', 'elements'].map((name) => join(types, `entry/${name}.d.ts`));
  const settings = join(types, 'tsconfig.json');
  const compilerOptions = { target: 'es2022', module: 'nodenext', lib: ['es2023', 'dom', 'dom.iterable'], types: [] };
  const files = { compilerOptions: { ...compilerOptions, skipLibCheck: true, noEmit: true }, files: entries };
  writeFileSync(settings, JSON.stringify(files));
  const options = ['--options', join(own, 'typedoc.json'), '--tsconfig', settings, '--out', out, '--logLevel', 'Error'];
  const typedoc = join(own, 'node_modules/typedoc/bin/typedoc');
  const made = spawnSync(process.execPath, [typedoc, ...options, '--entryPoints', ...entries], {
    cwd: root,
    stdio: 'inherit',
  });
  rmSync(settings);
  if (made.status !== 0) process.exit(made.status ?? 1);
  // The page's policy forbids scripts inside documents.
  for (const file of readdirSync(out, { recursive: true }).filter((name) => name.endsWith('.html'))) {
    const text = readFileSync(join(out, file), 'utf8');
    const [, script] = INLINE.exec(text) ?? [];
    const [, base] = /src="((?:\.\.\/)*)assets\/main\.js"/.exec(text) ?? [];
    if (script === undefined || base === undefined)
      throw new Error(`${file}: not the page that typedoc is known to write`);
    writeFileSync(join(out, 'assets/theme.js'), script);
    writeFileSync(join(out, file), text.replace(INLINE, `<script src="${base}assets/theme.js"></script>`));
  }
}
