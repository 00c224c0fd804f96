/**
 * What end-to-end tests are written with.
 *
 * @module
 */

export * from "./cage.ts";
export * from "./descendants.ts";
export * from "./desktop.ts";
export * from "./files.ts";
export * from "./graphics.ts";
export * from "./hold_end.ts";
export * from "./leftovers.ts";
export * from "./mode.ts";
export * from "./mounts.ts";
export * from "./process.ts";
export * from "./roots.ts";
export * from "./scratch.ts";
export * from "./screen.ts";
export * from "./terminal.ts";
export * from "./test.ts";
export * from "./tone.ts";
export * from "./traps.ts";
export * from "./words.ts";
