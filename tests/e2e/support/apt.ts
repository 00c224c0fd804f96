/**
 * What the machine's package manager knows: where Debian's files are.
 *
 * @module
 */

import { output } from "./process.ts";
import { exists } from "./words.ts";

/** A place that has packages of a release. */
export interface Source {
  /** The address, as debootstrap(8) takes it. */
  readonly mirror: string;
  /** The release, by its code name. */
  readonly suite: string;
}

/**
 * Finds the mirror that this machine uses, see sources.list(5).
 *
 * @param directory Where the configuration of apt is.
 * @returns The first source of a whole release.
 * @throws {Error} If there is none.
 */
export function aptSource(directory: string = "/etc/apt"): Source {
  const release = codeName();
  const sources = sourceFiles(directory).flatMap((path) => {
    const text = Deno.readTextFileSync(path);
    return path.endsWith(".sources") ? parseDeb822(text) : parseLines(text);
  });
  const whole = sources.filter(({ suite }) => !suite.includes("-"));
  const source = whole.find(({ suite }) => suite === release) ?? whole[0];
  if (source === undefined) throw new Error(`No mirror in ${directory}`);
  return source;
}

/**
 * Gives the proxies of apt as other programs know them.
 *
 * @returns Variables for the environment; those of the caller come along
 * anyway.
 */
export async function aptProxies(): Promise<Record<string, string>> {
  const dump = await output(["apt-config", "dump"]);
  const proxies = dump.matchAll(/^Acquire::(https?)::Proxy "(.+)";$/gim);
  return Object.fromEntries(
    [...proxies].filter(([, , proxy]) => proxy !== "DIRECT")
      .map(([, scheme, proxy]) => [`${scheme.toLowerCase()}_proxy`, proxy]),
  );
}

/**
 * Reads the one-line style: `deb [option=value …] uri suite component…`.
 *
 * @param text The text of a file.
 * @returns The sources of binary packages in the component "main".
 */
export function parseLines(text: string): Source[] {
  return text.split("\n").flatMap((line) => {
    const words = line.replace(/#.*/, "").replace(/\[[^\]]*\]/, "").trim()
      .split(/\s+/);
    const [type, mirror, suite, ...components] = words;
    if (type !== "deb" || !components.includes("main")) return [];
    return [{ mirror, suite }];
  });
}

/**
 * Reads the deb822 style: paragraphs of `Field: value`.
 *
 * @param text The text of a file.
 * @returns The sources of binary packages in the component "main".
 */
export function parseDeb822(text: string): Source[] {
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  return lines.join("\n").split(/\n\s*\n/).flatMap((paragraph) => {
    const field = (name: string) =>
      paragraph.match(new RegExp(`^${name}:((?:.*)(?:\n[ \t].*)*)`, "im"))?.[1]
        .trim().split(/\s+/) ?? [];
    const isOn = field("Enabled")[0]?.toLowerCase() !== "no";
    const isMain = field("Components").includes("main");
    if (!isOn || !isMain || !field("Types").includes("deb")) return [];
    return field("URIs").flatMap((mirror) =>
      field("Suites").map((suite) => ({ mirror, suite }))
    );
  });
}

function sourceFiles(directory: string): string[] {
  const parts = `${directory}/sources.list.d`;
  const names = exists(parts)
    ? [...Deno.readDirSync(parts)].map(({ name }) => `${parts}/${name}`).sort()
    : [];
  return [`${directory}/sources.list`, ...names]
    .filter((path) => /\.(list|sources)$/.test(path) && exists(path));
}

function codeName(): string | undefined {
  const text = Deno.readTextFileSync("/etc/os-release");
  return text.match(/^VERSION_CODENAME="?(\w+)"?$/m)?.[1];
}
