export { fold, type WindowShape } from './unfold.js';
