// Shared by the optimiser kernels: one thread owns 4 neighbouring elements of one replica's row of the flat [R, P] blocks,
// or of one stretch of the rows: `quads` vec4s, rows `stride` vec4s apart.
// hyper [R, 16] and pace [R, 4]: words by the names of src/kernels/shared/words.ts.
