/**
 * The version.
 *
 * @module
 */

/** The version, the same as in `deno.json`: a test compares them. */
export const VERSION = "0.5.0";

/** The day of the version, for the manual page. */
export const VERSION_DATE = "2026-11-25";
