/** `rhm-lab`: what needs no GPU. The entries for node, deno and web offer the same and a device. */

export * from '../analysis/index.js';
export * from '../core/errors.js';
