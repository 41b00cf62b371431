export { fold } from './unfold.js';
