/**
 * The bundle as bodies of functions.
 *
 * The full `deno` reads a module several times before it runs it, to find out
 * what it imports, which takes it 35 ms for 200 kB. A function that is made
 * from text (`new AsyncFunction(text)`) is only read by V8, in a tenth of
 * that. What a module may contain and a function may not is replaced here.
 *
 * Each file of a bundle is such a function, whose parameter loads another one:
 * what is imported when it is needed is not even read before.
 *
 * @module
 */

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

const IMPORT =
  /^import\s*(?:([^"']+?)\s*from\s*)?["'](node:[\w\/]+|\.\/[\w-]+\.js)["'];?\s*/;
const LATER = /\bimport\(["']\.\/([\w-]+)\.js["']\)/g;
const EXPORT = /export\s*\{([^{}"'`]*)\};?\s*$/;
const NAMES = /^(?:([\w$]+)\s*,?\s*)?(?:\*\s*as\s+([\w$]+)|\{([^{}"']*)\})?$/;

/** The parameter of each function: it loads a file of the bundle by its name. */
export const LOADER = "$load";

/**
 * Turns a file of a bundle into the body of an asynchronous function that does
 * the same and returns what the file exports.
 *
 * @param file What `deno bundle` has written.
 * @returns The body; {@linkcode LOADER} is to be its parameter.
 * @throws {TypeError} If the file uses what a function cannot do.
 */
export function functionBody(file: string): string {
  let rest = file.trimStart();
  let imports = "";
  for (let match = IMPORT.exec(rest); match; match = IMPORT.exec(rest)) {
    imports += importStatement(match[1], match[2]);
    rest = rest.slice(match[0].length);
  }
  const names = EXPORT.exec(rest)?.[1] ?? "";
  const code = rest.replace(EXPORT, "")
    .replace(LATER, (_, name) => loading(name))
    .replace(/\bimport\.meta\.main\b/g, "true").trimEnd();
  const body = `"use strict";${imports}${code}${returnStatement(names)}`;
  try {
    // Reads it without running it.
    new AsyncFunction(LOADER, body);
  } catch (error) {
    throw new TypeError(
      "Cannot build: the bundle has what a function cannot do (an import " +
        "other than of a built-in module, or of import.meta other than main)",
      { cause: error },
    );
  }
  return body;
}

/**
 * Tells which other files a file of a bundle always loads, and not only when
 * they are needed.
 *
 * @param file What `deno bundle` has written.
 * @returns Their names, in order.
 */
export function alwaysLoaded(file: string): string[] {
  const names: string[] = [];
  let rest = file.trimStart();
  for (let match = IMPORT.exec(rest); match; match = IMPORT.exec(rest)) {
    names.push(...siblingOf(match[2]));
    rest = rest.slice(match[0].length);
  }
  return names;
}

function siblingOf(module: string): string[] {
  return /^\.\/(.*)\.js$/.exec(module)?.slice(1) ?? [];
}

function loading(name: string): string {
  return `${LOADER}("${name}")`;
}

function importStatement(clause: string | undefined, module: string): string {
  const [sibling] = siblingOf(module);
  const load = sibling === undefined
    ? `await import("${module}");`
    : `await ${loading(sibling)};`;
  if (clause === undefined) return load;
  const match = NAMES.exec(clause);
  if (match === null) {
    throw new TypeError(`Cannot build: the import "${clause}" is not known`);
  }
  const [, main, all, names] = match;
  const parts = names?.replace(/\s+as\s+/g, ":") ?? "";
  return (all === undefined ? "" : `const ${all}=${load}`) +
    (main === undefined ? "" : `const {default:${main}}=${load}`) +
    (names === undefined ? "" : `const {${parts}}=${load}`);
}

function returnStatement(names: string): string {
  const parts = names.split(",").map((name) => name.trim())
    .filter((name) => name !== "")
    .map((name) => name.replace(/^(\S+)\s+as\s+(\S+)$/, "$2:$1"));
  return parts.length === 0 ? "" : `;return{${parts}};`;
}
