export function meanPositions(..._a: any[]): void {
  throw new Error('x');
}
export function meanPositionsBackward(..._a: any[]): void {
  throw new Error('x');
}
