/**
 * The commands that are launched.
 *
 * @module
 */

/** The command whose launch is measured. */
export const COMMAND: readonly string[] = ["/bin/true"];

/** The command beside which memory is measured; it ends when it is killed. */
export const PAYLOAD: readonly string[] = ["/bin/sleep", "3600"];
