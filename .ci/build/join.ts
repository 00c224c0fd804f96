/**
 * The files of a bundle that are always loaded, as few scripts.
 *
 * @module
 */

import { alwaysLoaded, functionBody, LOADER } from "./script.ts";

/** What a bundle is made to. */
export interface Scripts {
  /** Bodies of functions to be run in turn. The last one runs the main file. */
  readonly first: readonly string[];
  /** Bodies of those that are loaded when they are needed, by their names. */
  readonly later: ReadonlyMap<string, string>;
}

/**
 * Joins the files that are always loaded. To find and make a function takes as
 * long as to read some kilobytes, and a bundle has a file for each set of
 * others that need it.
 *
 * @param files The files of the bundle by their names, as `deno bundle` has
 * written them.
 * @param main The name of the main file.
 * @param most Most characters that a script may have, if its parts allow.
 * @returns The scripts. The parameter of each is {@linkcode LOADER}, whose `of`
 * is to have what is loaded by its name.
 */
export function joinScripts(
  files: ReadonlyMap<string, string>,
  main: string,
  most: number,
): Scripts {
  const always = loadOrder(files, main);
  const first = [""];
  for (const name of always) {
    // In parentheses a function is read for good at once, and not twice.
    const part = `${LOADER}.of["${name}"]=(async function(){` +
      `${functionBody(files.get(name)!)}})();`;
    const last = first.at(-1)!;
    if (last !== "" && last.length + part.length > most) first.push("");
    first.push(first.pop() + part);
  }
  first.push(`${first.pop()}await ${LOADER}("${main}")`);
  const later = [...files].filter(([name]) => !always.includes(name));
  return {
    first,
    later: new Map(later.map(([name, file]) => [name, functionBody(file)])),
  };
}

/** Each after those that it loads, and the main one last. */
function loadOrder(files: ReadonlyMap<string, string>, main: string): string[] {
  const order = new Set<string>();
  const visit = (name: string) => {
    if (order.has(name)) return;
    alwaysLoaded(files.get(name)!).forEach(visit);
    order.add(name);
  };
  visit(main);
  return [...order];
}
