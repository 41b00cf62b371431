/** SHA-256 for pages without crypto.subtle, in a module of its own: a dynamic import of the library would include all its functions. */
export { sha256 } from '@noble/hashes/sha2.js';
