/**
 * Policies that hold for a test alone.
 *
 * @module
 */

import { afterMounting, exists } from "../../e2e/support/mod.ts";
import type { AsOptions } from "./as.ts";

const DIRECTORY = "/etc/cage";

let count = 0;

// Whoever runs two tests at once may have made it meanwhile.
globalThis.addEventListener("unload", () => {
  if (!made) return;
  try {
    Deno.removeSync(DIRECTORY);
  } catch {
    // It is somebody's.
  }
});

let made = false;

/**
 * Puts a policy where it is looked for, in a mount namespace of its own.
 *
 * @param scratch A directory of root's.
 * @param policy What the file says: an object, or its whole text.
 * @param prepare What else is done to the file, a shell script with its path.
 * @returns Options for running programs under it.
 */
export async function withPolicy(
  scratch: string,
  policy: unknown,
  prepare: string,
): Promise<Pick<AsOptions, "within">> {
  const directory = `${scratch}/policy-${++count}`;
  await Deno.mkdir(directory, { mode: 0o755 });
  const text = typeof policy === "string" ? policy : JSON.stringify(policy);
  await Deno.writeTextFile(`${directory}/policy.json`, text, { mode: 0o644 });
  if (!exists(DIRECTORY)) {
    await Deno.mkdir(DIRECTORY);
    made = true;
  }
  const file = `${DIRECTORY}/policy.json`;
  return {
    within: afterMounting(
      `mount --bind '${directory}' ${DIRECTORY}\nset_file() { ${prepare}; }\n` +
        `set_file ${file}`,
    ),
  };
}
