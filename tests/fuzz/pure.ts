/**
 * Cases that are only read: from words to a plan, and nothing is done.
 *
 * @module
 */

import { packElf } from "../../ffi/elf.ts";
import { HOST_ARCH } from "../../ffi/arch.ts";
import { parseEnviron } from "../../src/environment.ts";
import { CageError, UsageError } from "../../src/errors.ts";
import type { Facts } from "../../src/facts.ts";
import { contextMessage } from "../../src/failure.ts";
import { type Invocation, parseFlags } from "../../src/flags.ts";
import { isOwnImage } from "../../src/image_format.ts";
import { splitLayers } from "../../src/layers.ts";
import {
  type Layout,
  layoutOf,
  STATE_BASE,
  STORAGE_BASE,
} from "../../src/layout.ts";
import { databaseText } from "../../src/lookup.ts";
import { parsePid } from "../../src/pid_file.ts";
import { commandPrograms, createProgram } from "../../src/plan.ts";
import type { ContainerSpec } from "../../src/spec.ts";
import { resolveUser } from "../../src/users.ts";
import { parseVolume } from "../../src/volumes.ts";
import type { Random } from "../unit/seeded.ts";
import { broken, randomArguments } from "./arguments.ts";
import { database } from "./databases.ts";
import { asText } from "./marks.ts";
import { faultsOfSentence } from "./verdict.ts";
import { oddWord } from "./values.ts";

/** A case that was read. */
export interface Read {
  /** The words. */
  readonly words: readonly string[];
  /** What is wrong, in sentences. */
  readonly faults: readonly string[];
  /** Whether the words were refused. */
  readonly refused: boolean;
}

/**
 * Makes the words of a case.
 *
 * @param random What chooses.
 * @returns The words, as the program would get them.
 */
export function pureArguments(random: Random): string[] {
  const words = randomArguments(random, {
    value: ({ long }) =>
      random.below(3) === 0
        ? oddWord(random)
        : random.pick(PLAUSIBLE[long] ?? ["x"]),
    command: () => random.list(3, () => oddWord(random)),
    most: 6,
  });
  const times = random.pick([0, 0, 1, 2]);
  return Array.from({ length: times })
    .reduce<string[]>((words) => broken(random, words), words).map(asText);
}

/**
 * Reads a case as the program would.
 *
 * @param random What chooses.
 * @returns What was wrong; nothing if it is as it should be.
 */
export function readCase(random: Random): Read {
  const words = pureArguments(random);
  const faults: string[] = [];
  let refused = false;
  const attempt = (what: string, act: () => void) => {
    try {
      act();
    } catch (error) {
      refused ||= what === "words";
      faults.push(...faultsOfError(what, error));
    }
  };
  attempt("words", () => {
    const invocation = parseFlags(words);
    faults.push(...faultsOfInvocation(invocation, words));
    if ("spec" in invocation) {
      faults.push(...faultsOfSpec(invocation.spec, random));
    }
  });
  for (const [what, act] of readers(random)) attempt(what, act);
  return { words, faults, refused };
}

/** Values that are right by themselves, by the long names of options. */
const PLAUSIBLE: Readonly<Record<string, readonly string[]>> = {
  "app-dir": ["/app", "app/", "../app", "/"],
  directory: ["/", "/tmp", "src", ".."],
  env: ["A=1", "PATH=/bin:", "SHELL=", "SHELL=/bin/ash", "HOME=x", "A=="],
  group: ["0", "audio", "audio:29", "4294967294"],
  "init-script": ["/init.sh", "/proc/self/fd/3", "init.sh", "/dev/fd/0"],
  lower: ["/", "/a:/b", "a", "/a\\:b", "/a,b", "/a\\\\"],
  name: ["web", "a.b", "..web", "-x", "n".repeat(200)],
  "pid-file": ["/run/x.pid", "x.pid", "/"],
  upper: ["/u", "u", "/u/..", "/"],
  user: ["0", "alice", "alice:staff:audio", "1000:0"],
  volume: ["/a", "/a:/b", "a:/b/../c:ro", "/a\\:b:/c", "/a:/b:rw", "/a:/../b"],
  "work-dir": ["/w", "w"],
};

/** What else reads what others wrote. */
function readers(random: Random): [what: string, act: () => void][] {
  const bytes = () =>
    new Uint8Array(random.list(1200, () => random.below(256)));
  return [
    ["layers", () => splitLayers(asText(oddWord(random)))],
    ["volume", () => parseVolume(asText(oddWord(random)))],
    ["user", () => {
      const user = random.pick(["alice", "0", asText(oddWord(random))]);
      const group = random.pick([undefined, asText(oddWord(random))]);
      resolveUser(user, group, database(random), database(random));
    }],
    ["pid", () => parsePid(asText(oddWord(random)))],
    ["environ", () => parseEnviron(bytes())],
    ["context", () => contextMessage(bytes())],
    ["image", () => {
      const block = new Uint8Array(1024);
      block.set(bytes().subarray(0, 1024));
      isOwnImage(block);
    }],
    ["database", () => {
      const buffer = bytes();
      const size = random.pick([-2, 0, 1, buffer.length]);
      databaseText("passwd", buffer, BigInt(size));
    }],
  ];
}

function faultsOfError(what: string, error: unknown): string[] {
  const isExpected = error instanceof UsageError && error.status === 125;
  if (isExpected) return faultsOfSentence(error.message);
  const kind = error instanceof CageError ? error.name : "an exception";
  return [`Reading ${what} threw ${kind}: ${(error as Error)?.stack ?? error}`];
}

function faultsOfInvocation(
  invocation: Invocation,
  words: readonly string[],
): string[] {
  if (invocation.kind !== "run") return [];
  const { command = [] } = invocation.spec;
  const end = words.slice(words.length - command.length);
  const isSame = JSON.stringify(command) === JSON.stringify(end);
  return isSame ? [] : ["The command is not the end of the words"];
}

/** Reads on from a spec, which may still be refused. */
function faultsOfSpec(spec: ContainerSpec, random: Random): string[] {
  const layout = layoutOf(spec, random.pick(["/", "/srv", "/a b"]));
  const faults = [...faultsOfLayout(spec, layout), ...faultsOfVolumes(spec)];
  // It takes longer than all else together: only sometimes.
  if (random.below(8) > 0) return faults;
  packElf(creation(spec, layout, random), HOST_ARCH);
  const { run } = commandPrograms(spec, {
    callerEnv: new Map([["TERM", oddWord(random)]]),
    passwd: database(random),
    group: database(random),
    stdio: {},
    parent: { kind: "command" },
    entry: ENTRY,
    ready: PIPES.ready,
  });
  packElf({ ...run, buffers: { zero: 8 } }, HOST_ARCH);
  return faults;
}

const PIPES = { ready: 10, go: 11, goOfLauncher: 12 };
const ENTRY = { executable: 13, memory: 14 };

function creation(spec: ContainerSpec, layout: Layout, random: Random) {
  const facts: Facts = {
    callerEnv: new Map(),
    becomesRoot: random.below(2) === 0,
    kernel: {
      overlay: random.pick(["descriptors", "paths", "mount"]),
      signals: [1, 17],
      lastCapability: 40,
    },
    layers: layout.lower.map((path) => ({ mount: 20, path, isMapped: false })),
    root: { mode: random.below(0o10000), uid: 0, gid: 0 },
    skeleton: [],
    hidden: [],
    absent: random.pick([[], ["/etc/hosts"], ["/etc/resolv.conf"]]),
    host: { hostname: "box", hosts: database(random) },
    volumes: (spec.volumes ?? []).map(({ host }) => ({
      ...{ mount: 21, host },
      kind: random.pick(["directory", "file"] as const),
    })),
    storageInside: [],
  };
  const script = spec.initScript === undefined ? undefined : {
    path: spec.initScript,
    descriptor: 9,
    outside: random.below(2) === 0,
    inside: random.below(2) === 0,
  };
  const source = { mount: 22, upper: "upper", work: "work" };
  const storage = spec.ephemeral
    ? { kind: "memory" } as const
    : { kind: "directories", source } as const;
  return createProgram(spec, {
    ...{ entry: ENTRY, facts, pipes: PIPES, storage, upper: layout.upper },
    ...(script === undefined ? {} : { script }),
  });
}

function faultsOfLayout(spec: ContainerSpec, layout: Layout): string[] {
  const { appDir, image, lower, pidFile, upper, work } = layout;
  const relative = [appDir, image, pidFile, upper, work, ...lower]
    .filter((path) => !path.startsWith("/"));
  const astray = [
    ...spec.pidFile === undefined && !isIn(pidFile, STATE_BASE)
      ? [pidFile]
      : [],
    ...spec.appDir === undefined && !isIn(appDir, STORAGE_BASE) ? [appDir] : [],
  ];
  return [
    ...relative.map((path) => `The path ${path} is relative`),
    ...astray.map((path) => `The path ${path} is astray`),
  ];
}

function isIn(path: string, directory: string): boolean {
  const [start, rest] = [`${directory}/`, path.slice(directory.length + 1)];
  return path.startsWith(start) && !rest.includes("/") && rest !== "..";
}

function faultsOfVolumes({ volumes = [] }: ContainerSpec): string[] {
  return volumes.map(({ inside }) => inside)
    .filter((path) =>
      !path.startsWith("/") || path === "/" ||
      path.slice(1).split("/").some((part) => ["", ".", ".."].includes(part))
    )
    .map((path) => `The path inside ${path} is not normalised`);
}
