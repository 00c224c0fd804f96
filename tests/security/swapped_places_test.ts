import {
  assertKept,
  type Attack,
  attack,
  byEach,
  exchange,
  own,
  sh,
  stopExchange,
} from "./support/mod.ts";
import { LINKS } from "../e2e/support/hostile.ts";

/** Launches of each race and caller. */
const RACES = 40;

/** Where links lead that take the place of directories. */
const LEADS = LINKS.filter(({ what }) =>
  /^(an absolute link|a link up|the caller's directory|the root of pid)/
    .test(what)
);

/** Lays a link beside each of some directories, for an exchange. */
async function layLinks(
  directory: string,
  canary: string,
): Promise<[string, string][]> {
  const pairs: [string, string][] = [];
  for (const [index, { lay }] of LEADS.entries()) {
    const path = `${directory}/raced-${index}`;
    await Deno.mkdir(path, { recursive: true });
    await Deno.remove(`${path}.trap`).catch(() => {});
    await lay(`${path}.trap`, canary);
    pairs.push([path, `${path}.trap`]);
  }
  return pairs;
}

/** Launches while directories below a volume and a layer are exchanged. */
async function race(
  t: Attack,
  prepareSource: (home: string) => Promise<string>,
): Promise<void> {
  const source = await prepareSource(t.mallory.home);
  const script = "cat /in/*/secret /in/*/*/*/secret /in/*/*/*/*/secret " +
    "/raced*/secret /raced*/*/*/secret 2>/dev/null; " +
    "for dir in /in/raced-?; do touch $dir/made; done 2>/dev/null; echo over";
  let pairs: [string, string][] | undefined;
  await byEach(t, async (caller, { root, share, canary }) => {
    pairs ??= [
      ...await layLinks(share, canary.path),
      ...await layLinks(root, canary.path),
    ];
    await own(t.mallory);
    const swapper = await exchange(t, t.mallory, pairs);
    for (let count = 0; count < RACES; count++) {
      const at = count % LEADS.length;
      const places = [`/in/raced-${at}/deep/er`, `/raced-${at}/deep/er`];
      const result = await caller.cage([
        ...["--ephemeral", "-l", root, "-v", `${share}:/in`],
        ...places.flatMap((place) => ["-v", `${source}:${place}`]),
        ...sh(script),
      ]);
      assertKept(result, caller);
    }
    await stopExchange(swapper);
  });
}

attack(
  "CVE-2021-30465: no volume is mounted through a swapped link",
  (t) =>
    race(t, async (home) => {
      await Deno.mkdir(`${home}/source`);
      return `${home}/source`;
    }),
);

attack(
  "CVE-2024-45310: nothing empty is made through a swapped link",
  (t) =>
    race(t, async (home) => {
      await Deno.writeTextFile(`${home}/source`, "");
      return `${home}/source`;
    }),
);
