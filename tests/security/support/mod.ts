/**
 * What attacks are written with.
 *
 * @module
 */

export * from "../../e2e/support/mod.ts";
export * from "./accesses.ts";
export * from "./as.ts";
export * from "./attack.ts";
export * from "./callers.ts";
export * from "./exchange.ts";
export * from "./installed.ts";
export * from "./launch.ts";
export * from "./packed.ts";
export * from "./people.ts";
export * from "./policy.ts";
export * from "./records.ts";
export * from "./traces.ts";
export * from "./traps.ts";
