/** Identifies this program. src/build/build.mjs inserts both names; a bundle of your own without them reports nothing. */
declare const RHM_VERSION: string | undefined;
declare const RHM_COMMIT: string | undefined;

/** version: of the package; commit: of its sources, with `-changed` if they differ from it. */
export const program: { readonly version?: string; readonly commit?: string } = {
  version: typeof RHM_VERSION === 'string' ? RHM_VERSION : undefined,
  commit: typeof RHM_COMMIT === 'string' ? RHM_COMMIT : undefined,
};
