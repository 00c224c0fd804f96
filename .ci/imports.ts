/**
 * Reads what a module imports.
 *
 * It reads text, formatted by `deno fmt`, and no syntax tree: so the examples
 * in comments can be read as well.
 *
 * @module
 */

/** One import. */
export interface Import {
  /** The module that is named. */
  readonly from: string;
  /** The names that are imported from it. */
  readonly names: readonly string[];
  /** Whether types alone are imported. */
  readonly isType: boolean;
  /** The line, from 1. */
  readonly line: number;
}

const STATEMENT =
  /^(?:import|export)\b(?<type> type\b)?(?<what>[^"';()=]*?)(?:\bfrom\s+)?"(?<from>[^"]+)"|\bimport\(\s*"(?<dynamic>[^"]+)"/gm;

/**
 * Finds imports, those of examples in comments too.
 *
 * @param text The text of a module.
 * @returns The imports in their order.
 */
export function importsOf(text: string): Import[] {
  const plain = text.replace(/^ *\* ?/gm, "");
  return [...plain.matchAll(STATEMENT)].map(({ index, groups = {} }) => {
    const [, list = ""] = /\{([^]*)\}/.exec(groups.what ?? "") ?? [];
    const items = list.split(",").map((item) => item.trim()).filter(Boolean);
    return {
      from: groups.from ?? groups.dynamic,
      names: items.map((item) => item.replace(/^type |\s+as\s.*$/g, "")),
      isType: groups.type !== undefined ||
        items.length > 0 && items.every((item) => item.startsWith("type ")),
      line: lineAt(plain, index),
    };
  });
}

/**
 * Takes out comments.
 *
 * @param text The text of a module.
 * @returns The same lines; those of comments are empty.
 */
export function withoutComments(text: string): string {
  return text.split("\n")
    .map((line) => /^\s*(\/\*|\*|\/\/)/.test(line) ? "" : line)
    .map((line) => line.replace(/\s\/\/ .*$/, ""))
    .join("\n");
}

/**
 * The line of a place in a text.
 *
 * @param text The text.
 * @param index The place.
 * @returns The line, from 1.
 */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
