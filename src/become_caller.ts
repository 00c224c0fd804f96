/**
 * Becomes the caller for good, where nothing is to be done with rights that the
 * caller does not have.
 *
 * @module
 */

import { O_RDONLY, PR_SET_NO_NEW_PRIVS } from "../ffi/constants.ts";
import { CALLER_DIRECTORY, SIGNALS_VARIABLE } from "../ffi/guarded.ts";
import { execveat, open, prctl, syscall } from "../ffi/libc.ts";
import type { Caller } from "./caller.ts";

/**
 * Executes this program again as the caller, in all of its threads. Its
 * set-user-ID bit has no effect then: PR_SET_NO_NEW_PRIVS(2const).
 *
 * @param caller Who calls.
 * @param argv The arguments, without the name of the program.
 */
export function becomeCaller(
  { env, gid, uid }: Pick<Caller, "env" | "gid" | "uid">,
  argv: readonly string[],
): never {
  const program = open("/proc/self/exe", O_RDONLY);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  syscall("setresgid", gid, gid, gid);
  syscall("setresuid", uid, uid, uid);
  // As the caller, who started in it.
  if (Deno.env.has(SIGNALS_VARIABLE)) syscall("fchdir", CALLER_DIRECTORY);
  const variables = [...env].map(([key, value]) => `${key}=${value}`);
  return execveat(program, ["cage", ...argv], variables);
}
