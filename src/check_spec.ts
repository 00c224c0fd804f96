/**
 * Checks specs before anything is done, whoever wrote them.
 *
 * @module
 */

import { parseEnv } from "./environment.ts";
import { UsageError } from "./errors.ts";
import { checkName } from "./names.ts";
import type { ContainerSpec } from "./spec.ts";
import { splitUser } from "./users.ts";
import { checkVolume } from "./volumes.ts";

/**
 * Refuses a spec whose values cannot be what they should be, though users are
 * looked up only when the root file system is there.
 *
 * @param spec The spec.
 * @throws {UsageError} If a value is malformed.
 *
 * @example A name that is a path
 * ```ts
 * import { checkSpec } from "cage/src/check_spec.ts";
 * import { assertThrows } from "@std/assert";
 *
 * checkSpec({ name: "web" });
 * assertThrows(() => checkSpec({ name: "../web" }), Error, "it contains");
 * ```
 */
export function checkSpec(spec: ContainerSpec): void {
  const { dbus, env, graphics, group, name, user, volumes } = spec;
  if (name !== undefined) checkName(name);
  splitUser(user, group);
  env?.forEach(parseEnv);
  volumes?.forEach(checkVolume);
  if (dbus && !graphics) {
    throw new UsageError(
      "Cannot use --dbus without -G: the session bus is a part of what " +
        "graphical programs get: add -G",
    );
  }
}
