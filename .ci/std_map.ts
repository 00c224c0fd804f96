/**
 * Prints an import map for a checkout of the sources of `@std`.
 *
 * @module
 */

/** What of a package's configuration is needed. */
interface Package {
  readonly name: string;
  readonly exports: string | Readonly<Record<string, string>>;
}

const [std] = Deno.args;

function packages(): string[] {
  return [...Deno.readDirSync(std)]
    .map(({ name }) => Deno.realPathSync(std) + "/" + name)
    .filter((directory) => isFile(`${directory}/deno.json`));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function entries(directory: string): [string, string][] {
  const text = Deno.readTextFileSync(`${directory}/deno.json`);
  const { name, exports }: Package = JSON.parse(text);
  const modules = typeof exports === "string" ? { ".": exports } : exports;
  return Object.entries(modules).map(([entry, file]) => [
    name + entry.slice(1),
    new URL(file, `file://${directory}/`).href,
  ]);
}

const imports = Object.fromEntries([
  ...packages().flatMap(entries),
  ["cage/", "../"],
]);
console.log(JSON.stringify({ imports }, null, 2));
