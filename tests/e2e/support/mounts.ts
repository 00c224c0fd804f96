/**
 * Hosts that look different: words before `cage` that change what it sees.
 *
 * @module
 */

import { asRootInside, isRootless } from "./mode.ts";

/**
 * Runs `cage` where a script has mounted something, in a mount namespace that
 * goes away with it. A user may do so in a user namespace of their own, where
 * `cage` is then run by what is root there.
 *
 * @param script A shell script; the first failure ends it.
 * @param propagation How mounts there spread.
 * @returns Words for `within`.
 */
export function afterMounting(
  script: string,
  propagation: "private" | "shared" = "private",
): string[] {
  return [
    ...asRootInside(),
    ...["unshare", "--mount", "--propagation", propagation],
    ...["sh", "-ec", `${script}\nexec "$@"`, "sh"],
  ];
}

/**
 * Runs `cage` on a machine where it has never run, or for a user who has never
 * run it: what it keeps comes to lie in the given directory.
 *
 * @param directory A directory, in which `lib` and `run` are made.
 * @returns Words for `within`.
 */
export function onFreshState(directory: string): string[] {
  Deno.mkdirSync(`${directory}/lib`, { recursive: true });
  Deno.mkdirSync(`${directory}/run`, { recursive: true });
  if (isRootless) {
    const data = `XDG_DATA_HOME=${directory}/lib`;
    return ["env", data, `XDG_RUNTIME_DIR=${directory}/run`];
  }
  const quoted = `'${directory}'`;
  return afterMounting(
    `mount --bind ${quoted}/lib /var/lib\nmount --bind ${quoted}/run /run`,
  );
}
