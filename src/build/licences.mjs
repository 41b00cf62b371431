/** Licences of the packages that esbuild put into bundles: most of them require that their text accompanies their code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * One text for all packages among the inputs of the builds. @throws Error naming a package that has no licence text.
 * @param {string} root of the project
 * @param {readonly { inputs: Record<string, unknown> }[]} metafiles of esbuild
 */
export function thirdPartyLicences(root, metafiles) {
  const folders = new Set(['node_modules/assemblyscript']); // its runtime is in the WebAssembly modules
  for (const { inputs } of metafiles)
    for (const file of Object.keys(inputs)) {
      const found = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file);
      if (found) folders.add(found[0]);
    }
  const parts = [...folders].sort().map((folder) => {
    const path = join(root, folder);
    const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const names = readdirSync(path).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    const texts = names.sort().map((file) => readFileSync(join(path, file), 'utf8').trim());
    if (!texts.length)
      throw new Error(`${folder} (${license}): holds no licence text; add its text before bundling it`);
    return `${name} ${version} (${license})\n\n${texts.join('\n\n')}\n`;
  });
  return `Code of these packages is part of the bundles in this folder.\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}
