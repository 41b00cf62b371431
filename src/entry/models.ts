/** The exports for user-defined models, shared by every entry with an executor. */
export {
  defineModel,
  loadModels,
  type ModelDefinition,
  type ModelOption,
  type ModelOptions,
  type OptionValues,
} from '../models/define.js';
export type { Net } from '../models/net.js';
export type { HiddenLayer, Outcome } from '../models/types.js';
export { checkModel, type ModelCheck, type ModelCheckOptions } from '../training/checkModel.js';
