/** What a visitor asks of the cloud, and what it answers. */

/** What the visitor chose; a look that does not fit the network is moved to the nearest that does. */
export interface Look {
  replica: number; // from 0
  layer: number; // from 0
  position: number; // within the layer; negative counts from the end
  level: number; // of the symbol that colours, from the leaves
  visible: boolean;
  turning: boolean;
  yaw: number; // radians, added to where the camera stands
  pitch: number;
  zoom: number;
  width: number; // of the canvas, device pixels
  height: number;
  background: [number, number, number]; // sRGB, 0 to 1
  only: number; // symbol that stands out, -1: none does
  head: number; // of the attention map, -1: the mean over all
  sentence: number; // of the attention map, -1: the mean over some
}

/** A position in the picture, from 0 to 1, or a number of points to move on. */
export type Pick = { x: number; y: number } | { by: number };

/** What a point stands for. */
export interface PointInfo {
  sentence: number;
  tokens: number[]; // of the whole sentence
  start: number; // tokens [start, end) below the position that is looked at
  end: number;
  level: number;
  symbol: number; // that colours, of that level
  node: number; // its position at that level
  point: number[]; // [3], where it lies in the cloud
}

export interface LookInfo {
  layers: { name: string; positions: number; units: number }[];
  step: number;
  replicas: number;
  shown: { replica: number; layer: number; position: number; level: number };
  variance: number[]; // [3], parts of the whole
  within: number; // part of the variance that lies within the colours
  kinds: number; // symbols that colour
  problem?: string; // why nothing is drawn
  drawn: 'buffer' | 'upload' | '2d'; // from the training buffers, by WebGPU from a copy, or on a 2D canvas
  map?: LookMap;
}

/** Numbers of a layer as a picture. */
export interface LookMap {
  kind: 'attention' | 'filters';
  layer: number; // from 0
  rows: number;
  columns: number;
  values: Float32Array; // [rows, columns]
  attention?: {
    heads: number;
    sentences: number; // that can be chosen
    head: number; // as shown, -1: the mean over all
    sentence: number; // likewise
    tokens?: number[]; // of the one sentence
  };
}

export interface Shape {
  v: number;
  n: number;
  s: number;
  L: number;
}
