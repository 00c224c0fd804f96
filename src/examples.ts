/**
 * Command lines that show what the program is for.
 *
 * @module
 */

/** One example. */
export interface Example {
  /** What it does, without a full stop. */
  readonly text: string;
  /** The command line. */
  readonly command: string;
}

/**
 * The examples of help and of the manual page, the common ones first.
 *
 * @example All are of one program
 * ```ts
 * import { EXAMPLES } from "cage/src/examples.ts";
 * import { assert } from "@std/assert";
 *
 * assert(EXAMPLES.every(({ command }) => /\bcage\b/.test(command)));
 * ```
 */
export const EXAMPLES: readonly Example[] = [
  {
    text: "A root shell on a copy-on-write view of this machine",
    command: "cage",
  },
  {
    text: "The same with a name; a second one joins the first",
    command: "cage -n web",
  },
  {
    text: "A command on another root file system, as yourself",
    command:
      'cage -l /srv/debian -u "$(id -u)" -v "$PWD:/src" -c /src make test',
  },
  {
    text: "A directory of the host, to be read only, and nothing that stays",
    command: "cage --ephemeral -v /srv/data:/data:ro -- ls /data",
  },
  {
    text: "What was changed in an instance, as a patch",
    command: "cage -n web --diff --patch /etc",
  },
  {
    text: "Keep that: carry it over to the root file system below",
    command: "cage -n web --apply /etc",
  },
  {
    text: "Stop an instance, and throw away what was changed in it",
    command: "cage -k --reset -n web",
  },
];
