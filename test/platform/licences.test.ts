/** Licences of bundled packages are beside the bundles: every package whose code the source maps name is included with its text. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('licences of bundled packages');

test('each package in a source map has its name, version and text, in dist/ and in the page', () => {
  const maps = (readdirSync('dist', { recursive: true }) as string[]).filter((file) => file.endsWith('.map'));
  const folders = new Set<string>();
  for (const map of maps)
    for (const source of JSON.parse(readFileSync(join('dist', map), 'utf8')).sources as string[]) {
      const found = /node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(source);
      if (found && existsSync(join(found[0], 'package.json'))) folders.add(found[0]); // source maps of packages name folders that exist only on their authors' machines
    }
  assert.ok(folders.size > 20, `${folders.size} packages in source maps`);
  for (const place of ['dist', 'dist/page']) {
    const text = readFileSync(join(place, 'THIRD_PARTY_LICENCES.txt'), 'utf8');
    for (const folder of [...folders, 'node_modules/assemblyscript']) {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      assert.ok(text.includes(`\n${name} ${version} (`), `${place}: ${name} ${version}`);
      const [own] = readdirSync(folder).filter((file) => /^(licen[cs]e|copying)/i.test(file));
      assert.ok(text.includes(readFileSync(join(folder, own), 'utf8').trim()), `${place}: text of ${name}`);
    }
  }
});

test.run();
