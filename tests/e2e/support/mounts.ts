/**
 * Hosts that look different: words before `cage` that change what it sees.
 *
 * @module
 */

/**
 * Runs `cage` where a script has mounted something, in a mount namespace that
 * goes away with it.
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
    ...["unshare", "--mount", "--propagation", propagation],
    ...["sh", "-ec", `${script}\nexec "$@"`, "sh"],
  ];
}

/**
 * Runs `cage` on a machine where it has never run: nothing in /var/lib and
 * /run but what comes to lie in the given directory.
 *
 * @param directory A directory, in which `lib` and `run` are made.
 * @returns Words for `within`.
 */
export function onFreshState(directory: string): string[] {
  Deno.mkdirSync(`${directory}/lib`, { recursive: true });
  Deno.mkdirSync(`${directory}/run`, { recursive: true });
  const quoted = `'${directory}'`;
  return afterMounting(
    `mount --bind ${quoted}/lib /var/lib\nmount --bind ${quoted}/run /run`,
  );
}
