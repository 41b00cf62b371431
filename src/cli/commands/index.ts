/** The table of commands, in the order of `rhm --help`. */
import type { AddCommand } from '../context.js';
import { addDoctor } from './doctor.js';
import { addTrain } from './train.js';
import { addVerify } from './verify.js';

export const commands: readonly AddCommand[] = [addDoctor, addTrain, addVerify];
