/** Files that esbuild inlines: shaders as text, WebAssembly as bytes. */
declare module '*.wgsl' {
  const source: string;
  export default source;
}
declare module '*.safetensors' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module '*.wasm' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
