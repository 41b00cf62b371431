import { existsSync, readdirSync } from 'node:fs';

/** The readme and the documents it links to, as paths from the top of the repository. */
export function documents(): string[] {
  const below = (folder: string) => readdirSync(folder, { withFileTypes: true });
  const beside = below('.github').filter(({ name }) => name.endsWith('.md'));
  const inside = below('src').filter(({ name }) => existsSync(`src/${name}/README.md`));
  return [
    ...['README.md', 'src/README.md', 'test/README.md'],
    ...beside.map(({ name }) => `.github/${name}`),
    ...inside.map(({ name }) => `src/${name}/README.md`),
  ];
}
