/**
 * The address at which the page is served, if the build is given one: other sites show a picture with a link only if its address is
 * absolute.
 */

/**
 * The page with absolute addresses in its preview. site: value of RHM_SITE, such as https://example.org/rhm/; undefined: as it is.
 * @param {string} page
 * @param {string | undefined} site
 * @returns {string}
 */
export function absoluteAddresses(page, site) {
  if (!site) return page;
  const address = URL.canParse(site) ? new URL(site.endsWith('/') ? site : `${site}/`) : undefined;
  if (!address || !/^https?:$/.test(address.protocol) || /["<>]/.test(site))
    throw new Error(`RHM_SITE: got ${JSON.stringify(site)}; pass an address such as https://example.org/rhm/`);
  const image = '<meta property="og:image" content="';
  return page.replace(
    `${image}preview.png">`,
    `<meta property="og:url" content="${address}">\n${image}${address}preview.png">`,
  );
}
