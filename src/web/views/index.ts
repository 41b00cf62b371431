import type { ViewSpec } from '../page.js';
import { embedView } from './embed.js';
import { grammarView } from './grammar.js';
import { learningView } from './learning.js';
import { probesView } from './probes.js';
import { representationView } from './representation.js';
import { storyView } from './story.js';
import { takeawayView } from './takeaway.js';

/** The sections of the page, from top to bottom. One line per view. */
export const views: readonly ViewSpec[] = [
  storyView,
  grammarView,
  learningView,
  representationView,
  probesView,
  takeawayView,
  embedView,
];
