/** The package's declarations: those that tsc wrote, with the types of schemas spelt out, and only those that an export leads to. */
import { readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/**
 * Replaces what is printed from schemas, removes what no export leads to, and refuses declarations of other packages: a consumer
 * would have to install those.
 * @param {string} folder dist/types
 * @param {Record<string, string>} printed files by path in it
 * @param {readonly string[]} roots paths in it
 */
export function finishDeclarations(folder, printed, roots) {
  for (const [file, text] of Object.entries(printed)) {
    readFileSync(join(folder, file)); // a file that tsc wrote
    writeFileSync(join(folder, file), text);
  }
  const reached = new Set();
  const todo = [...roots];
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    if (reached.has(file)) continue;
    reached.add(file);
    const text = readFileSync(join(folder, file), 'utf8');
    for (const [, path] of text.matchAll(/(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+)['"]([^'"]+)['"]/g)) {
      if (!path.startsWith('.'))
        throw new Error(
          `dist/types/${file} names the package ${path}, which consumers need not have; write the type out`,
        );
      todo.push(normalize(join(dirname(file), path)).replace(/\.js$/, '.d.ts'));
    }
  }
  for (const file of readdirSync(folder, { recursive: true }).sort().reverse()) {
    if (file.endsWith('.d.ts')) {
      if (!reached.has(normalize(file))) rmSync(join(folder, file));
    } else if (!readdirSync(join(folder, file)).length) rmdirSync(join(folder, file));
  }
}
