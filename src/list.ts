/**
 * What `--list` prints.
 *
 * @module
 */

import { findClient } from "./client.ts";
import { findInstances } from "./find_instances.ts";
import { usersOfHost } from "./instance_owners.ts";
import { instanceJson, instanceTable } from "./instance_text.ts";
import type { Waiting } from "./wait.ts";

/**
 * Lists the instances that the caller sees.
 *
 * @param isJson Whether it is for tools.
 * @returns The text, without a newline at its end.
 * @throws {CageError} If it cannot be found out who calls.
 */
export function* list(isJson: boolean): Waiting<string> {
  const client = findClient({});
  const instances = yield* findInstances(client);
  const now = Date.now();
  if (isJson) return instanceJson(instances, now);
  const width = columns();
  return instanceTable(instances, {
    now,
    ...(width === undefined ? {} : { width }),
    ...(client.standing === "root" ? { users: namesOfUsers() } : {}),
  }).join("\n");
}

/** Of the terminal, if it is one that this is written to. */
function columns(): number | undefined {
  if (!Deno.stdout.isTerminal()) return undefined;
  try {
    return Deno.consoleSize().columns || undefined;
  } catch {
    return undefined;
  }
}

/** Of two names of one user the first counts. */
function namesOfUsers(): Map<number, string> {
  return new Map(
    usersOfHost().map(({ name, uid }) => [uid, name] as const).reverse(),
  );
}
