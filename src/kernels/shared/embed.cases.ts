/** A shape on which both directions are checked; position: rows of the position table. */
export interface CaseShape {
  v: number;
  width: number;
  batch: number;
  d: number;
  windows: number;
  filter: number;
  stride?: number;
  padding?: number;
  firstToken?: number;
  length?: number;
  masked?: number;
  local?: boolean;
  whitened: boolean;
  scale: number;
  relu?: boolean;
  position?: number;
  positionInside?: boolean;
}

/** Odd shapes on which both directions are checked. */
export const embedShapes: readonly (readonly [string, CaseShape])[] = [
  [
    'hcnn',
    { v: 5, width: 37, batch: 7, d: 8, windows: 4, filter: 2, whitened: true, masked: 7, scale: 0.3, relu: true },
  ],
  [
    'many windows',
    { v: 16, width: 20, batch: 70, d: 16, windows: 8, filter: 2, whitened: true, masked: 15, scale: 0.2, relu: true },
  ],
  [
    'hlcn',
    {
      v: 5,
      width: 67,
      batch: 19,
      d: 8,
      windows: 4,
      filter: 2,
      whitened: true,
      masked: 7,
      scale: 0.3,
      local: true,
      relu: true,
    },
  ],
  [
    'mla',
    { v: 6, width: 130, batch: 3, d: 9, windows: 9, filter: 1, whitened: true, masked: 8, scale: 0.4, position: 9 },
  ],
  [
    'clm',
    { v: 7, width: 20, batch: 5, d: 9, windows: 8, filter: 1, length: 8, whitened: false, scale: 1, position: 1 },
  ],
  [
    'hcnn with biases',
    {
      v: 5,
      width: 36,
      batch: 7,
      d: 8,
      windows: 4,
      filter: 2,
      whitened: true,
      masked: 7,
      scale: 0.3,
      relu: true,
      position: 1,
      positionInside: true,
    },
  ],
  [
    'fcn',
    { v: 3, width: 9, batch: 70, d: 9, windows: 1, filter: 8, length: 8, whitened: true, scale: 0.2, relu: true },
  ],
  [
    'overlapping windows with padding',
    {
      v: 4,
      width: 11,
      batch: 3,
      d: 9,
      windows: 9,
      filter: 3,
      stride: 1,
      padding: 1,
      whitened: true,
      masked: 8,
      scale: 1,
    },
  ],
  [
    'context',
    {
      v: 4,
      width: 11,
      batch: 3,
      d: 9,
      windows: 2,
      filter: 2,
      firstToken: 5,
      length: 4,
      whitened: true,
      masked: 3,
      scale: 1,
    },
  ],
  [
    'large vocabulary',
    { v: 150, width: 5, batch: 40, d: 4, windows: 2, filter: 2, whitened: true, masked: 3, scale: 1 },
  ],
  ['one of everything', { v: 2, width: 1, batch: 1, d: 1, windows: 1, filter: 1, whitened: true, scale: 1 }],
];
