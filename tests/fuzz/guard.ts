/**
 * Keeps random arguments away from what matters on the machine.
 *
 * @module
 */

import { normalize } from "@std/path";
import { UsageError } from "../../src/errors.ts";
import { type Invocation, parseFlags } from "../../src/flags.ts";
import {
  absolute,
  layoutOf,
  STATE_BASE,
  STORAGE_BASE,
} from "../../src/layout.ts";
import type { ContainerSpec } from "../../src/spec.ts";

/** Where a run may write. */
export interface Bounds {
  /** The directory in which everything is. */
  readonly directory: string;
  /** The directory that it starts in. */
  readonly cwd: string;
  /** How names of its instances start. */
  readonly name: string;
}

/** What the caller has open, for an init script. */
const DESCRIPTOR = /^\/(?:proc\/self|dev)\/fd\/[0-9]+$/;

/**
 * Tells whether everything that arguments name on the host is where a run may
 * write, or is not written. Links in the directory must lead into it.
 *
 * @param words The arguments.
 * @param bounds Where it may write.
 * @returns Whether it can be run.
 */
export function isHarmless(words: readonly string[], bounds: Bounds): boolean {
  try {
    const invocation = parseFlags(words);
    return !("spec" in invocation) || isSpecHarmless(invocation, bounds);
  } catch (error) {
    // What is refused does nothing; anything else is for the run to show.
    return error instanceof UsageError;
  }
}

function isSpecHarmless(
  { spec }: Extract<Invocation, { spec: ContainerSpec }>,
  { cwd, directory, name }: Bounds,
): boolean {
  const { appDir, image, pidFile, upper, work } = layoutOf(spec, cwd);
  const own = [`${STATE_BASE}/${name}`, `${STORAGE_BASE}/app-${name}`];
  const isInside = (path: string) =>
    normalize(path).startsWith(`${directory}/`);
  const isOwn = (path: string) =>
    own.some((start) => normalize(path).startsWith(start));
  const isStdin = (path: string) => DESCRIPTOR.test(path);
  const storage = [pidFile, ...spec.ephemeral ? [] : [appDir, upper, work]];
  const { initScript, volumes = [] } = spec;
  const sources = volumes.map(({ host }) => absolute(host, cwd));
  const script = initScript === undefined ? [] : [absolute(initScript, cwd)];
  return [...storage, ...spec.ephemeral ? [] : [image]]
    .every((path) => isInside(path) || isOwn(path)) &&
    sources.every(isInside) &&
    script.every((path) => isInside(path) || isStdin(path));
}
