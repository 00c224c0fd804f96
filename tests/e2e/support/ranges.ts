/**
 * Ranges of ids that are a user's beside their own.
 *
 * @module
 */

/** Ids that follow one another. */
export interface Range {
  /** The first. */
  readonly start: number;
  /** How many there are. */
  readonly count: number;
}

/**
 * Reads the user's first range in subuid(5) or subgid(5).
 *
 * @param kind Whether it is of users or of groups.
 * @returns The range, if there is one.
 */
export function ownRange(kind: "uid" | "gid"): Range | undefined {
  const owners = [nameOf(Deno.uid()), `${Deno.uid()}`];
  for (const line of lines(`/etc/sub${kind}`)) {
    const [owner, start, count] = line.split(":");
    if (!owners.includes(owner)) continue;
    return { start: Number(start), count: Number(count) };
  }
  return undefined;
}

function nameOf(uid: number | null): string | undefined {
  return lines("/etc/passwd").map((line) => line.split(":"))
    .find(([, , id]) => Number(id) === uid)?.[0];
}

function lines(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n");
  } catch {
    return [];
  }
}
