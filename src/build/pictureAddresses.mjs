/**
 * Gives the pictures in the package's documents absolute addresses: the package omits the pictures because of their size, and npm's page
 * does not resolve `srcset`. Run on the checkout that is published: node src/build/pictureAddresses.mjs OWNER/REPOSITORY TAG
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';

const [repository, tag] = process.argv.slice(2);
if (!/^[\w.-]+\/[\w.-]+$/.test(repository ?? '') || !tag) {
  console.error('usage: node src/build/pictureAddresses.mjs OWNER/REPOSITORY TAG');
  process.exit(2);
}
const base = `https://raw.githubusercontent.com/${repository}/${tag}`;
const documents = ['.', '.github', 'src', 'test']
  .flatMap((folder) => readdirSync(folder, { recursive: folder === 'src' }).map((name) => posix.join(folder, name)))
  .filter((path) => path.endsWith('.md') && !path.includes('node_modules'));
for (const path of documents) {
  const text = readFileSync(path, 'utf8');
  const changed = text.replace(/(<(?:img|source) [^>]*\b(?:src|srcset)=")(?!https?:)([^"]+)/g, (_, before, picture) => {
    return `${before}${base}/${posix.join(posix.dirname(path), picture)}`;
  });
  if (changed !== text) writeFileSync(path, changed);
}
