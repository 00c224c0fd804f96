/**
 * What a compiled container mounts that is there already: layers and volumes,
 * each taken when it is launched, and held by a descriptor of a fixed number.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  O_CLOEXEC,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../ffi/constants.ts";
import type { Argument } from "../ffi/step.ts";
import { makeDirectorySteps } from "./compiled_place.ts";
import type { CompiledStep } from "./compiled_step.ts";
import { quote } from "./quote.ts";
import { goTo, label, type PlanStep } from "./step.ts";

/** The first of the numbers: all others are below. */
const FIRST = 40;

/** The number of the caller's terminal. */
export const CONSOLE: number = FIRST;

/** The number of what holds the upper and the work directory. */
export const STORAGE: number = FIRST + 1;

/**
 * Tells the number of a layer or a volume.
 *
 * @param index Which one, layers first.
 * @returns The number of its descriptor.
 *
 * @example The first layer
 * ```ts
 * import { sourceNumber } from "cage/src/compiled_sources.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sourceNumber(0), 42);
 * ```
 */
export function sourceNumber(index: number): number {
  return FIRST + 2 + index;
}

/** What a compiled container mounts that is there already. */
export interface SourcePlace {
  /** The path on the host. */
  readonly path: string;
  /** What it is for. */
  readonly kind: "layer" | "volume";
  /** Whether it is made if it is missing: a directory. */
  readonly isMade: boolean;
}

/**
 * Takes layers and volumes.
 *
 * @param sources The layers and then the volumes.
 * @returns The steps; {@linkcode sourceNumber} tells the number of each.
 *
 * @example A layer
 * ```ts
 * import { takeSources } from "cage/src/compiled_sources.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = { path: "/srv", kind: "layer", isMade: false } as const;
 * assertEquals(takeSources([layer])[0].call, "open_tree");
 * ```
 */
export function takeSources(sources: readonly SourcePlace[]): CompiledStep[] {
  return sources.flatMap(({ isMade, kind, path }, index) => {
    const isLayer = kind === "layer";
    const why = isLayer
      ? `Cannot use lower directory ${quote(path)}`
      : `Cannot map volume ${quote(path)}`;
    const name = `source${index}`;
    const steps = takeMount(
      sourceNumber(index),
      AT_FDCWD,
      path,
      !isLayer,
      why,
      name,
    );
    if (!isMade) return steps;
    const [first, ...others] = steps;
    const [make, end] = [`make-${name}`, `made-${name}`];
    return [
      { ...first, onError: { errno: "ENOENT", goto: make } },
      goTo(end),
      label(make),
      ...makeDirectorySteps(
        path,
        () => 0o755,
        "name a directory or a file of the host with -v",
      ),
      { ...first, name: `${name}-again` },
      goTo(name),
      label(end),
      ...others,
    ];
  });
}

/** Flags of open_tree(2) for a copy that is not attached. */
export const COPY_FLAGS = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;

/**
 * Takes a copy of what is mounted at a place.
 *
 * @param number The number of its descriptor.
 * @param at The directory that the path begins at.
 * @param path The path.
 * @param recursive Whether what is mounted below is taken too.
 * @param why What cannot be done if it fails.
 * @param name The name of the first step.
 * @returns The steps.
 *
 * @example A file of the host
 * ```ts
 * import { takeMount } from "cage/src/compiled_sources.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = takeMount(40, -100, "/dev/null", false, "Cannot", "null");
 * assertEquals(steps.map(({ call }) => call), ["open_tree", "dup3", "close"]);
 * ```
 */
export function takeMount(
  number: number,
  at: Argument,
  path: string,
  recursive: boolean,
  why: string,
  name: string,
): CompiledStep[] {
  const flags = COPY_FLAGS | (recursive ? AT_RECURSIVE : 0) |
    (path === "" ? AT_EMPTY_PATH : 0);
  const hints: PlanStep["hints"] = {
    EPERM: "root inside a container may not: run it outside",
    ENOENT: "create it",
  };
  return [
    { name, call: "open_tree", args: [at, path, flags], why, hints },
    ...keepMount(name, number, why),
  ];
}

/**
 * Gives a descriptor a fixed number, and no other: those below are few.
 *
 * @param name The name of the step that opens it.
 * @param number The number.
 * @param why What cannot be done if it fails.
 * @returns The steps.
 *
 * @example The terminal
 * ```ts
 * import { CONSOLE, keepMount } from "cage/src/compiled_sources.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keepMount("terminal", CONSOLE, "Cannot")[0].args[1], 40);
 * ```
 */
export function keepMount(
  name: string,
  number: number,
  why: string,
): CompiledStep[] {
  const opened = { result: name };
  return [
    { call: "dup3", args: [opened, number, O_CLOEXEC], why },
    { call: "close", args: [opened], onError: {} },
  ];
}
