/**
 * Stand-in for `@std/assert`, where JSR cannot be reached.
 *
 * Same checks and sentences as the original; only the picture of a difference
 * is simpler.
 *
 * @module
 */

import { difference } from "./difference.ts";
import { equal } from "./equal.ts";

/** The class of an error. */
// deno-lint-ignore no-explicit-any
export type Class<E> = abstract new (...args: any[]) => E;

/** A check that did not hold. */
export class AssertionError extends Error {
  /** The name of the class. */
  override name = "AssertionError";

  /**
   * Makes an error.
   *
   * @param message The sentence.
   * @param options Its cause.
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

const shown = (value: unknown) => Deno.inspect(value, { depth: Infinity });

/** The end of a sentence. */
const end = (msg?: string) => msg ? `: ${msg}` : ".";

function check(holds: boolean, sentence: string): void {
  if (!holds) throw new AssertionError(sentence);
}

/**
 * Checks that something is truthy.
 *
 * @param expr What to look at.
 * @param msg The sentence if it is not.
 */
export function assert(expr: unknown, msg = ""): asserts expr {
  check(Boolean(expr), msg);
}

/**
 * Checks that two values are equal, deeply.
 *
 * @param actual What is.
 * @param expected What should be.
 * @param msg More for the sentence.
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  const picture = difference(actual, expected);
  throw new AssertionError(`Values are not equal${end(msg)}\n${picture}`);
}

/**
 * Checks that two values are not equal.
 *
 * @param actual What is.
 * @param expected What should not be.
 * @param msg More for the sentence.
 */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  const sentence = `Expected actual: ${shown(actual)} not to be: ${
    shown(expected)
  }`;
  check(!equal(actual, expected), sentence + end(msg));
}

/**
 * Checks that a text contains another.
 *
 * @param actual What is.
 * @param expected What should be in it.
 * @param msg More for the sentence.
 */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  const sentence = `Expected actual: "${actual}" to contain: "${expected}"`;
  check(actual.includes(expected), sentence + end(msg));
}

/**
 * Checks that a text is of a form.
 *
 * @param actual What is.
 * @param expected The form.
 * @param msg More for the sentence.
 */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  const sentence = `Expected actual: "${actual}" to match: "${expected}"`;
  check(expected.test(actual), sentence + end(msg));
}

/**
 * Checks that a function throws.
 *
 * @param fn The function.
 * @returns What it threw.
 */
export function assertThrows(fn: () => unknown): unknown;
/**
 * Checks that a function throws an error of a class.
 *
 * @param fn The function.
 * @param ErrorClass The class of its error.
 * @param msgIncludes What the message of its error contains.
 * @param msg More for the sentence.
 * @returns What it threw.
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: Class<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  ErrorClass?: Class<Error>,
  msgIncludes?: string,
  msg?: string,
): unknown {
  try {
    fn();
  } catch (error) {
    checkError("thrown", error, ErrorClass, msgIncludes, msg);
    return error;
  }
  throw new AssertionError(`Expected function to throw${end(msg)}`);
}

/**
 * Checks that a promise is rejected.
 *
 * @param fn The function that gives the promise.
 * @returns What it was rejected with.
 */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
): Promise<unknown>;
/**
 * Checks that a promise is rejected with an error of a class.
 *
 * @param fn The function that gives the promise.
 * @param ErrorClass The class of its error.
 * @param msgIncludes What the message of its error contains.
 * @param msg More for the sentence.
 * @returns What it was rejected with.
 */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: Class<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  ErrorClass?: Class<Error>,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
    await promise;
  } catch (error) {
    const sentence = "Function throws when expected to reject";
    check(promise !== undefined, sentence + end(msg));
    checkError("rejected", error, ErrorClass, msgIncludes, msg);
    return error;
  }
  throw new AssertionError(`Expected function to reject${end(msg)}`);
}

function checkError(
  how: string,
  error: unknown,
  ErrorClass?: Class<Error>,
  part = "",
  msg?: string,
): void {
  if (ErrorClass === undefined) return;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was ${how}${end(msg)}`);
  }
  const { name } = ErrorClass;
  const kind = `Expected error to be instance of "${name}", but was "` +
    `${error.constructor?.name}"`;
  check(error instanceof ErrorClass, kind + end(msg));
  const text = `Expected error message to include ${JSON.stringify(part)}, ` +
    `but got ${JSON.stringify(error.message)}`;
  check(error.message.includes(part), text + end(msg));
}
