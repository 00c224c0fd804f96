/**
 * The version.
 *
 * @module
 */

/** The version, the same as in `deno.json`: a test compares them. */
export const VERSION = "0.5.0";
