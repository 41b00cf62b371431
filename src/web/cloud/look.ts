/** Requests of a visitor to the cloud, and its answers. */

/** The visitor's choices; a choice that does not fit the network is moved to the nearest that does. */
export interface Look {
  replica: number; // from 0
  layer: number; // from 0
  position: number; // within the layer; negative counts from the end
  level: number; // level of the symbol that determines the colour, from the leaves
  visible: boolean;
  turning: boolean;
  yaw: number; // radians, added to the position of the camera
  pitch: number;
  zoom: number;
  width: number; // size of the canvas, device pixels
  height: number;
  background: [number, number, number]; // sRGB, 0 to 1
  only: number; // symbol that is highlighted, -1: none
  head: number; // head of the attention map, -1: the mean over all
  sentence: number; // sentence of the attention map, -1: the mean over some
}

/** A position in the picture, from 0 to 1, or a number of points to move on. */
export type Pick = { x: number; y: number } | { by: number };

/** Describes a point. */
export interface PointInfo {
  sentence: number;
  tokens: number[]; // tokens of the whole sentence
  start: number; // tokens [start, end) below the chosen position
  end: number;
  level: number;
  symbol: number; // symbol that determines the colour, at that level
  node: number; // its position in that level
  point: number[]; // [3], coordinates in the cloud
}

export interface LookInfo {
  layers: { name: string; positions: number; units: number }[];
  step: number;
  replicas: number;
  shown: { replica: number; layer: number; position: number; level: number };
  variance: number[]; // [3], fractions of the total
  within: number; // fraction of the variance within the colours
  kinds: number; // number of symbols that colour
  problem?: string; // why nothing is drawn
  drawn: 'buffer' | 'upload' | '2d'; // from the training buffers, through WebGPU from a copy, or on a 2D canvas
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
    sentences: number; // number that can be chosen
    head: number; // head shown, -1: the mean over all
    sentence: number; // likewise
    tokens?: number[]; // tokens of the chosen sentence
  };
}

export interface Shape {
  v: number;
  n: number;
  s: number;
  L: number;
}
