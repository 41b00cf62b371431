import { parseHTML } from 'linkedom';

/** An empty document in which figures are drawn. The bundles leave out linkedom's HTML parser, so nothing else can be read. */
export function emptyDocument(): Document {
  const document = parseHTML('').document as unknown as Document;
  document.append(document.createElement('html'));
  document.documentElement.append(document.createElement('body'));
  return document;
}
