/**
 * What can go wrong, as data: only `main.ts` prints.
 *
 * @module
 */

/** Exit status of `cage` when it failed itself, as of `docker run`. */
export const STATUS_FAILED = 125;

/**
 * Anything that `cage` could not do. The message is a sentence for a person:
 * what failed, on what, why, and what to do.
 *
 * @example Every error has an exit status
 * ```ts
 * import { CageError } from "cage/src/errors.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new CageError("Cannot do it").status, 125);
 * ```
 */
export class CageError extends Error {
  /** The name of the class. */
  override name = "CageError";
  /** The exit status of the command line. */
  readonly status: number;

  /**
   * Makes an error.
   *
   * @param message The sentence, without a full stop.
   * @param status The exit status of the command line.
   */
  constructor(message: string, status: number = STATUS_FAILED) {
    super(message);
    this.status = status;
  }
}

/** The request itself is wrong: an option, a value, or two together. */
export class UsageError extends CageError {
  /** The name of the class. */
  override name = "UsageError";
}

/** A system call of a launch failed. */
export class LaunchError extends CageError {
  /** The name of the class. */
  override name = "LaunchError";
  /** The name of the call, as in section 2 of the manual. */
  readonly call: string;
  /** The number of the error, see errno(3). */
  readonly errno: number;

  /**
   * Makes an error.
   *
   * @param message The sentence, without a full stop.
   * @param call The name of the call.
   * @param errno The number of the error.
   */
  constructor(message: string, call: string, errno: number) {
    super(message);
    this.call = call;
    this.errno = errno;
  }
}

/** The command cannot be executed: status 127 not found, 126 otherwise. */
export class CommandError extends CageError {
  /** The name of the class. */
  override name = "CommandError";
}

/** The init script failed; the status is the script's own. */
export class InitScriptError extends CageError {
  /** The name of the class. */
  override name = "InitScriptError";
}
