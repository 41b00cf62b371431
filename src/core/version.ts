/** Which program this is. src/build/build.mjs puts both names in; a bundle of one's own that leaves them out says nothing. */
declare const RHM_VERSION: string | undefined;
declare const RHM_COMMIT: string | undefined;

/** version: of the package; commit: that its sources are of, with `-changed` where they differ from it. */
export const program: { readonly version?: string; readonly commit?: string } = {
  version: typeof RHM_VERSION === 'string' ? RHM_VERSION : undefined,
  commit: typeof RHM_COMMIT === 'string' ? RHM_COMMIT : undefined,
};
