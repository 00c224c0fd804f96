/**
 * Says what in the project is not as agreed.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { faultsOf, type Files } from "./conventions.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

/** Folders of what is no source: got, built, or kept by git. */
const OTHERS = [".deno", ".git", "bin", "node_modules"];

function read(folder = ""): [string, string][] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap((entry) => {
    const path = join(folder, entry.name);
    if (OTHERS.includes(path)) return [];
    if (entry.isDirectory) return read(path);
    return entry.isFile
      ? [[path, Deno.readTextFileSync(join(ROOT, path))]]
      : [];
  });
}

const files: Files = new Map(read());
const faults = faultsOf(files);
for (const { path, line, text } of faults) {
  console.error(`${path}:${line}: ${text}`);
}
console.log(`Checked the conventions of ${files.size} files`);
Deno.exit(faults.length === 0 ? 0 : 1);
