/**
 * Containers without a daemon: run a program on a copy-on-write view of this
 * machine, or of another root file system.
 *
 * This module is the library. Run as a program it is the command line:
 * `deno run -A jsr:@pepper/cage`.
 *
 * @example Run a command and read what it says
 * ```ts
 * import { launch } from "jsr:@pepper/cage";
 *
 * const container = await launch(
 *   { ephemeral: true, command: ["uname", "-n"] },
 *   { stdout: "piped" },
 * );
 * console.log(await new Response(container.stdout).text());
 * console.log(await container.status);
 * ```
 *
 * @module
 */

import { main } from "./main.ts";

export {
  CageError,
  CommandError,
  InitScriptError,
  LaunchError,
  UsageError,
} from "./src/errors.ts";
export {
  attach,
  type Container,
  type Instance,
  launch,
  type LaunchOptions,
  list,
  type Status,
  type StdioChoice,
  stop,
} from "./src/library.ts";
export type { ContainerSpec, Volume } from "./src/spec.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
