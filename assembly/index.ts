/** Everything the WebAssembly module exports. One line a file; see the files for what they do. */
export { threefry } from './threefry';
