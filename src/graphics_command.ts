/**
 * What a graphical command has of its own: the directory of its sockets, and
 * the files with secrets in it.
 *
 * @module
 */

import { dirname } from "@std/path";
import {
  O_CREAT,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from "../ffi/constants.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import type { Graphics } from "./graphics.ts";
import { quote } from "./quote.ts";
import { openInside, type PlanStep } from "./step.ts";
import type { ResolvedUser } from "./users.ts";

/**
 * Gives a user the directory of sockets, and closes it to others. Nobody but
 * root of the container could have put a link in its way.
 *
 * @param graphics What the command gets.
 * @param user Who the command runs as.
 * @returns The steps, for root of the container.
 *
 * @example The last step
 * ```ts
 * import { giveRuntime } from "cage/src/graphics_command.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = giveRuntime(
 *   { runtime: "/run/user/7", shares: [] },
 *   { uid: 7, gid: 8 },
 * );
 * assertEquals(steps.at(-1)?.args.slice(1), [7, 8]);
 * ```
 */
export function giveRuntime(
  { runtime, shares }: Pick<Graphics, "runtime" | "shares">,
  user: Pick<ResolvedUser, "gid" | "uid">,
): PlanStep[] {
  const above = shares.map(({ inside }) => dirname(inside))
    .filter((path) => path.startsWith(`${runtime}/`));
  const parent = dirname(runtime);
  const why = whyOf(runtime);
  const name = "runtime-parent";
  return [
    openInside(parent, O_PATH | O_DIRECTORY, { name, why }),
    {
      call: "mkdirat",
      args: [{ result: name }, runtime.slice(parent.length + 1), 0o700],
      onError: { errno: "EEXIST" },
      why,
    },
    ...[runtime, ...new Set(above)].flatMap((path) => give(path, user)),
  ];
}

/**
 * Writes the files of a user, as that user.
 *
 * @param graphics What the command gets.
 * @returns The steps.
 *
 * @example No files
 * ```ts
 * import { privateFiles } from "cage/src/graphics_command.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(privateFiles({ files: [] }), []);
 * ```
 */
export function privateFiles({ files }: Pick<Graphics, "files">): PlanStep[] {
  return files.flatMap(({ bytes, path }): PlanStep[] => {
    const why = `Cannot write ${quote(path)} inside`;
    const file = { result: `private:${path}` };
    const flags = O_CREAT | O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK;
    return [
      openInside(path, flags, { name: file.result, why }),
      { call: "fchmod", args: [file, 0o600], why },
      { call: "write", args: [file, bytes, bytes.length], why },
    ];
  });
}

function whyOf(path: string): string {
  return `Cannot make ${quote(path)} the directory of the command's sockets`;
}

function give(
  path: string,
  { gid, uid }: Pick<ResolvedUser, "gid" | "uid">,
): PlanStep[] {
  const why = whyOf(path);
  const directory = { result: `own:${path}` };
  return [
    openInside(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, {
      name: directory.result,
      // Something was mounted somewhere meanwhile: openat2(2).
      onError: { errno: "EAGAIN", goto: directory.result },
      why,
    }),
    { call: "fchmod", args: [directory, 0o700], why },
    { call: "fchown", args: [directory, uid, gid], why },
  ];
}
