/** What the page loads: `binolab.Engine`, and every module by its name. */

export { Engine } from "./engine.js";
export { Codec } from "./codec.js";
export * as counterpoint from "./counterpoint.js";
export { Model } from "./model.js";
export * as kernel from "./kernel.js";
export * as prompting from "./prompting.js";
export * as random from "./random.js";
export * as rolls from "./rolls.js";
export * as sampling from "./sampling.js";
export * as schedules from "./schedules.js";
export * as voices from "./voices.js";
