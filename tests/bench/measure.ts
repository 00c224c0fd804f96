/**
 * All measurements, in one run.
 *
 * @module
 */

import { COMMAND, PAYLOAD } from "./commands.ts";
import {
  type Contender,
  ON_BUSYBOX,
  ON_MACHINE,
  RUNTIME,
} from "./contenders.ts";
import { measureGrowth } from "./growth.ts";
import { measureMemory } from "./memory.ts";
import type {
  Entry,
  GroupName,
  InsideEntry,
  Measurements,
  StayingEntry,
} from "./measurements.ts";
import type { Inside } from "./inside.ts";
import { withoutPaths } from "./place.ts";
import { workingOf } from "./present.ts";
import { ROOTLESS } from "./rootless.ts";
import { type Amount, measureRounds, type Part } from "./rounds.ts";
import { BY_HAND } from "./series.ts";
import type { Site, Within } from "./site.ts";

/** What is told beside what is measured. */
type Measured = Omit<Measurements, "circumstances" | "source">;

/** Contenders that are measured side by side. */
interface Group {
  readonly name: GroupName;
  readonly contenders: readonly Contender[];
  readonly where: Within;
}

/** How many launches `deno bench` makes in a row. */
const LAUNCHES = 16;

/** How many rows it makes of each kind in each round. */
const ROWS = 4;

const TOGETHER = 8;

/**
 * Measures everything.
 *
 * @param site Where.
 * @param amount How much.
 * @param tell Told what is done.
 * @returns What was measured.
 */
export async function measureAll(
  site: Site,
  amount: Amount,
  tell: (text: string) => void,
): Promise<Measured> {
  const skipped: string[] = [];
  const groups = await workingGroups(site, (reason) => {
    tell(`Not measured: ${reason}`);
    skipped.push(reason);
  });
  const count = groups.reduce((sum, group) => sum + group.contenders.length, 0);
  tell(
    `Measuring ${count} commands and launches from a program, ` +
      `${amount.rounds} rounds of ${amount.runs} runs`,
  );
  const { inside, launches } = await measureLaunches(groups, site, amount);
  tell("Measuring memory");
  const staying = await measureStaying(groups, skipped);
  const names = groups.flatMap(({ contenders }) =>
    contenders.map(({ name }) => name)
  );
  // Half as often, since there are four series of three levels.
  const growthAmount = { ...amount, rounds: Math.ceil(amount.rounds / 2) };
  const isPresent = (name: string) =>
    names.includes(name) || name === BY_HAND || name.startsWith("cage");
  const grown = await measureGrowth(site, growthAmount, isPresent, tell);
  return {
    amount,
    growthAmount,
    groups: launches,
    staying,
    inside,
    ...grown,
    skipped,
  };
}

async function workingGroups(
  { root, rootless }: Site,
  skip: (reason: string) => void,
): Promise<Group[]> {
  const sides: [GroupName, readonly Contender[], Within, string][] = [
    ["busybox", ON_BUSYBOX, root, ""],
    ["machine", ON_MACHINE, root, "on this machine's root, "],
    ["rootless", ROOTLESS, rootless, "without privileges, "],
    ["runtime", RUNTIME, root, ""],
  ];
  const groups: Group[] = [];
  for (const [name, contenders, where, as] of sides) {
    where.goOn();
    const { place, within } = where;
    const working = await workingOf(contenders, {
      place,
      within,
      commands: [COMMAND, PAYLOAD],
      skip: (reason) => skip(as + withoutPaths(reason, place)),
    });
    groups.push({ name, contenders: working, where });
  }
  root.goOn();
  return groups;
}

async function measureLaunches(
  groups: readonly Group[],
  { root }: Site,
  amount: Amount,
): Promise<{
  launches: Record<GroupName, Entry[]>;
  inside: InsideEntry[];
}> {
  const free = insideOf(root, "", root.within);
  const pinned = insideOf(root, ", all on one core", [
    ...root.within,
    ...["taskset", "--cpu-list", "0"],
  ]);
  const parts = [...groups.map(partOf), { inside: free }, { inside: pinned }];
  const measured = await measureRounds(parts, amount, root.goOn);
  const entries = groups.map(({ contenders, name, where }, index) => {
    const { commands } = measured[index];
    return [
      name,
      contenders.map((contender): Entry => ({
        name: contender.name,
        command: withoutPaths(
          contender.words(where.place, COMMAND).join(" "),
          where.place,
        ),
        rounds: commands.get(contender.name)!,
      })),
    ];
  });
  const tasks = [...free.tasks, ...pinned.tasks];
  const inside = measured.flatMap(({ cases }) => [...cases])
    .map(([name, cases]): InsideEntry => ({
      name,
      together: tasks.find((task) => task.name === name)!.together,
      cases: cases.flat(),
    }));
  return { launches: Object.fromEntries(entries), inside };
}

function partOf({ contenders, where: { place, within } }: Group): Part {
  return {
    batch: {
      commands: new Map(
        contenders.map(({ name, words }) => [name, words(place, COMMAND)]),
      ),
      within,
      file: `${place.state}/hyperfine.json`,
    },
  };
}

function insideOf(
  { place }: Within,
  suffix: string,
  within: readonly string[],
): Inside {
  const { name, root } = place;
  const spec = { name, lower: [root], command: COMMAND };
  const task = { spec, times: LAUNCHES, rows: ROWS };
  return {
    tasks: [
      { ...task, name: `one after the other${suffix}`, together: 1 },
      {
        ...task,
        name: `${TOGETHER} at a time${suffix}`,
        together: TOGETHER,
        times: LAUNCHES / TOGETHER,
      },
    ],
    place,
    within,
  };
}

/** Each once: what stays is the same whatever the root is. */
async function measureStaying(
  groups: readonly Group[],
  skipped: string[],
): Promise<StayingEntry[]> {
  const entries: StayingEntry[] = [];
  for (const { contenders, name: group, where } of groups) {
    if (group === "runtime" || group === "machine") continue;
    for (const { name, words } of contenders) {
      where.goOn();
      try {
        const staying = await measureMemory(
          words(where.place, PAYLOAD),
          where,
        );
        entries.push({ name, group, ...staying });
      } catch (error) {
        where.goOn();
        const reason = error instanceof Error ? error.message : String(error);
        skipped.push(`memory of ${name}: ${reason.trim()}`);
      }
    }
  }
  return entries;
}
