/**
 * The bundle as the body of a function.
 *
 * The full `deno` reads a module several times before it runs it, to find out
 * what it imports, which takes it 35 ms for 200 kB. A function that is made
 * from text (`new AsyncFunction(text)`) is only read by V8, in a tenth of
 * that. What a module may contain and a function may not is replaced here.
 *
 * @module
 */

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

const IMPORT = /^import\s*(?:([^"']+?)\s*from\s*)?["'](node:[\w\/]+)["'];?\s*/;
const EXPORT = /export\s*\{[^{}"'`]*\};?\s*$/;
const NAMES = /^(?:([\w$]+)\s*,?\s*)?(?:\*\s*as\s+([\w$]+)|\{([^{}"']*)\})?$/;

/**
 * Turns a module without imports of other files into the body of an
 * asynchronous function that does the same when it is the main module.
 *
 * @param module What `deno bundle` has written.
 * @returns The body.
 * @throws {TypeError} If the module uses what a function cannot do.
 */
export function functionBody(module: string): string {
  let rest = module.trimStart();
  let imports = "";
  for (let match = IMPORT.exec(rest); match; match = IMPORT.exec(rest)) {
    imports += importStatement(match[1], match[2]);
    rest = rest.slice(match[0].length);
  }
  const code = rest.replace(EXPORT, "")
    .replace(/\bimport\.meta\.main\b/g, "true").trimEnd();
  const body = `"use strict";${imports}${code}`;
  try {
    // Reads it without running it.
    new AsyncFunction(body);
  } catch (error) {
    throw new TypeError(
      "Cannot build: the bundle has what a function cannot do (an import " +
        "other than of a built-in module, or of import.meta other than main)",
      { cause: error },
    );
  }
  return body;
}

function importStatement(clause: string | undefined, module: string): string {
  const load = `await import("${module}");`;
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
