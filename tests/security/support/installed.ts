/**
 * The binary as it is installed, and those who attack it.
 *
 * @module
 */

import { cageWords, exists, makeScratch } from "../../e2e/support/mod.ts";
import { makePeople, type People, removePeople } from "./people.ts";

/** What is made once for a file of tests. */
export interface Installed {
  /** A directory of root's that everybody may enter, on a real disk. */
  readonly directory: string;
  /** The binary, setuid root. */
  readonly cage: string;
  /** Those who attack. */
  readonly people: People;
}

let installed: Installed | undefined;

/**
 * Installs the binary setuid root, and makes users.
 *
 * @returns Where it is, and who they are. All of it is removed when the file
 * of tests has ended, however it ended.
 */
export function install(): Installed {
  if (installed !== undefined) return installed;
  const [program, ...rest] = cageWords();
  if (rest.length > 0) throw new Error("Only a built file can be installed");
  const directory = makeScratch();
  Deno.chmodSync(directory, 0o755);
  globalThis.addEventListener("unload", () => uninstall(directory));
  const cage = `${directory}/cage`;
  Deno.copyFileSync(program, cage);
  Deno.chmodSync(cage, 0o4755);
  return installed = { directory, cage, people: makePeople(directory) };
}

/**
 * Gives a Deno that everybody may execute.
 *
 * @returns The path.
 */
export function denoForAll(): string {
  const path = `${install().directory}/deno`;
  if (!exists(path)) {
    Deno.copyFileSync(Deno.execPath(), path);
    Deno.chmodSync(path, 0o755);
  }
  return path;
}

function uninstall(directory: string): void {
  if (installed !== undefined) removePeople(installed.people);
  Deno.removeSync(directory, { recursive: true });
}
