import { parseHTML } from 'linkedom';

/** A document without content, for figures to be drawn in. The bundles leave out the parser of HTML that linkedom brings, so nothing else can be read. */
export function emptyDocument(): Document {
  const document = parseHTML('').document as unknown as Document;
  document.append(document.createElement('html'));
  document.documentElement.append(document.createElement('body'));
  return document;
}
