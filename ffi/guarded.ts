/**
 * What a program finds that the entry guard started, see `guard.ts`.
 *
 * @module
 */

/**
 * Descriptor of the directory in which the caller started the program,
 * opened with `O_PATH`, closed on exec. It is absent if even root could not
 * open it, as in a caller's own FUSE mount. What a caller passes under this
 * number is lost.
 */
export const CALLER_DIRECTORY = 250;

/**
 * Name of the variable that the guard adds to its environment. The value is
 * the mask of signals that the caller had blocked, 16 hexadecimal digits.
 * Where the variable is absent, no guard ran.
 */
export const SIGNALS_VARIABLE = "CAGE_SIGNALS";
