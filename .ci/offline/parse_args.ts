/**
 * Stand-in for `@std/cli/parse-args`, where JSR cannot be reached.
 *
 * It reads `--word` and `--word=value` alone, and refuses what it would read
 * otherwise than the original.
 *
 * @module
 */

/** The options in use: the names of those with a value, repeated, without. */
export interface ParseOptions {
  /** Names of options that have a value. */
  readonly string?: readonly string[];
  /** Those of them that may be repeated. */
  readonly collect?: readonly string[];
  /** Names of options that have none. */
  readonly boolean?: readonly string[];
}

/** The values by the names of their options. */
export type Args = Record<string, unknown> & { _: string[] };

/**
 * Reads arguments.
 *
 * @param args Words, each `--word` or `--word=value`.
 * @param options What is known.
 * @returns The values: lists for `collect`, and false for an absent `boolean`.
 * @throws {TypeError} If there is more to read than a stand-in can.
 */
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Args {
  const { string = [], collect = [], boolean = [], ...others } = options;
  for (const name of Object.keys(others)) refuse(`the option "${name}"`);
  const untyped = collect.find((name) => !string.includes(name));
  if (untyped !== undefined) refuse(`"${untyped}", which has no type`);
  const found: [string, string | true][] = args.map((word) => {
    const [, name, value] = /^--([^=.]+)(?:=(.+))?$/s.exec(word) ?? [];
    const known = value === undefined
      ? boolean.includes(name)
      : string.includes(name) && !name.startsWith("no-");
    return known ? [name, value ?? true] : refuse(`the word "${word}"`);
  });
  const all = (name: string) =>
    found.filter(([key]) => key === name).map(([, value]) => value);
  return Object.fromEntries([
    ["_", []],
    ...boolean.map((name) => [name, false]),
    ...found,
    ...collect.map((name) => [name, all(name)]),
  ]);
}

function refuse(what: string): never {
  throw new TypeError(`The stand-in for parseArgs cannot read ${what}`);
}
