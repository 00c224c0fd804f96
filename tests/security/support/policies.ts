/**
 * Policies that hold for one launch, and not for what runs beside it.
 *
 * @module
 */

import {
  afterMounting,
  exists,
  removeInstance,
  uniqueName,
} from "../../e2e/support/mod.ts";
import type { Attack } from "./attack.ts";

/** Where the policy is. */
export const DIRECTORY = "/etc/cage";

/** The file, as messages quote it. */
export const FILE = `"${DIRECTORY}/policy.json"`;

/** A place to mount on, which says as much as none. */
function makePlace(): void {
  if (exists(DIRECTORY)) return;
  Deno.mkdirSync(DIRECTORY, { mode: 0o755 });
  globalThis.addEventListener("unload", () => {
    try {
      Deno.removeSync(DIRECTORY);
    } catch {
      // Another file of tests has it, or somebody put a policy there.
    }
  });
}

let count = 0;

/**
 * Makes a directory with a policy.
 *
 * @param t The test.
 * @param policy The policy, or the text of the file.
 * @returns The path of the directory.
 */
export function makePolicy(t: Attack, policy: unknown): string {
  const directory = `${t.scratch}/policy-${++count}`;
  Deno.mkdirSync(directory);
  Deno.chmodSync(directory, 0o755);
  const text = typeof policy === "string" ? policy : JSON.stringify(policy);
  const file = `${directory}/policy.json`;
  Deno.writeTextFileSync(file, text);
  Deno.chmodSync(file, 0o644);
  return directory;
}

/**
 * Runs programs where a directory is that of the policy.
 *
 * @param directory The directory.
 * @param script What else is mounted there.
 * @returns Words for `within`.
 */
export function under(directory: string, script: string = ""): string[] {
  makePlace();
  return afterMounting(
    `mkdir -p ${DIRECTORY}; mount --bind '${directory}' ${DIRECTORY}\n${script}`,
  );
}

/**
 * Runs programs under a policy.
 *
 * @param t The test.
 * @param policy The policy, or the text of the file.
 * @param script What else is mounted there.
 * @returns The option for whatever runs a program.
 */
export function withPolicy(
  t: Attack,
  policy: unknown,
  script?: string,
): { readonly within: string[] } {
  return { within: under(makePolicy(t, policy), script) };
}

/**
 * Does something with the name of an instance of root's, which is removed.
 *
 * @param action What is done.
 */
export async function withName(
  action: (name: string) => Promise<void>,
): Promise<void> {
  const name = uniqueName();
  try {
    await action(name);
  } finally {
    await removeInstance(name);
  }
}
