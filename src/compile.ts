/**
 * Writes compiled containers.
 *
 * @module
 */

import { basename, dirname } from "@std/path";
import { packElf } from "../ffi/elf.ts";
import { packLz4 } from "../ffi/lz4.ts";
import { isOfType, S_IFREG } from "../ffi/file_types.ts";
import { HOST_ARCH, statx, syscall } from "../ffi/libc.ts";
import { AT_EMPTY_PATH } from "../ffi/constants.ts";
import { becomeCaller } from "./become_caller.ts";
import { isLent } from "./caller.ts";
import { type Client, findClient } from "./client.ts";
import { type Compilation, compiledProgram } from "./compiled.ts";
import { wrapperProgram } from "./compiled_start.ts";
import { CONSOLE_PATH } from "./compiled_console.ts";
import { CONSOLE, sourceNumber, type SourcePlace } from "./compiled_sources.ts";
import type { StoragePlace } from "./compiled_storage.ts";
import { Descriptors } from "./descriptors.ts";
import { CageError, LaunchError, UsageError } from "./errors.ts";
import type { Facts, UserNamespace } from "./facts.ts";
import { containerEnvironment } from "./environment.ts";
import { findComposition } from "./find_composition.ts";
import { findFacts } from "./find_facts.ts";
import { absolute, type Layout, layoutOf, STORAGE_BASE } from "./layout.ts";
import { lowestOf, planIdMap } from "./idmap.ts";
import { makeOwnDirectory } from "./make_directories.ts";
import { readUsers } from "./read_users.ts";
import { openScript } from "./script_file.ts";
import { executionOf } from "./plan.ts";
import { quote } from "./quote.ts";
import { originOf, recordText } from "./record.ts";
import type { ContainerSpec } from "./spec.ts";
import { commonDirectory } from "./way_down.ts";

/**
 * Writes the program of a container.
 *
 * @param spec What is wanted.
 * @param file The path of the program, which is replaced if it is there.
 * @throws {CageError} If it cannot be written, or needs more than a program of
 * its own can do.
 */
export function compile(spec: ContainerSpec, file: string): void {
  const client = ownClient(spec);
  using kept = new Descriptors();
  const program = compiledProgram(compilationOf(spec, client, kept));
  const { bytes: whole } = packElf(program, HOST_ARCH);
  const wrapper = wrapperProgram(packLz4(whole), whole.length);
  const { bytes } = packElf(wrapper, HOST_ARCH);
  writeProgram(absolute(file, client.cwd), bytes);
}

/** A program has no more rights than who runs it: nothing is lent here. */
function ownClient(spec: ContainerSpec): Client {
  const client = findClient(spec);
  if (isLent(client)) becomeCaller(client, Deno.args);
  if (spec.privileged && client.standing === "rootless") throw notPrivileged();
  return client;
}

function notPrivileged(): UsageError {
  return new UsageError(
    "Cannot use --compile with --privileged: it takes root of the machine: " +
      "leave it out",
  );
}

function compilationOf(
  spec: ContainerSpec,
  client: Client,
  kept: Descriptors,
): Compilation {
  const { bases, uid } = client;
  const layout = layoutOf(spec, client.cwd, bases);
  const isOwn = client.standing === "rootless";
  if (isOwn && !layout.named.upper && !spec.ephemeral) {
    makeOwnDirectory(bases.storage);
  }
  const namespace = isOwn ? namespaceOf(spec, client) : undefined;
  const finders = isOwn ? { compose: findComposition } : {};
  const { facts } = findFacts(spec, layout, client, undefined, finders, kept);
  if (facts.composition !== undefined) throw cannotCompose();
  const { privileged = false, noNewPrivs = false } = spec;
  const rights = { uid, privileged, noNewPrivs };
  const kind = spec.ephemeral ? "memory" : "directories";
  const origin = originOf(layout, { kind }, spec.command);
  const known = namespace === undefined
    ? facts
    : { ...facts, root: { ...facts.root, ...namespace.inside } };
  const storage = spec.ephemeral ? undefined : storageOf(layout, known, isOwn);
  const script = scriptOf(spec, client);
  const { lower, upper } = layout;
  const roots = spec.ephemeral ? lower : [upper, ...lower];
  const { passwd, group } = readUsers(roots, client);
  return {
    spec,
    uid,
    facts: isOwn
      ? {
        ...known,
        userNamespace: namespace!,
        host: { ...known.host, isLater: true },
        console: CONSOLE_PATH.buffer,
      }
      : numbered(known, layout, storage),
    instance: {
      directory: dirname(layout.pidFile),
      name: basename(layout.pidFile),
      records: bases.records,
      record: recordText({ ...rights, origin }),
      rights: recordText(rights),
      ...(isOwn && !layout.named.pidFile ? { owner: uid } : {}),
    },
    // The plan of a user opens them by itself.
    sources: isOwn ? [] : sourcesOf(known, layout),
    ...(storage === undefined ? {} : { storage }),
    execution: executionOf(spec, {
      // What the caller of the program has is looked up then.
      callerEnv: new Map(),
      passwd,
      group,
      // A command that is attached is the same one.
      parent: { kind: "attached" },
      ...(namespace === undefined ? {} : {
        ids: { map: namespace.map, kept: [client.gid, ...client.groups] },
      }),
    }),
    ...(script === undefined ? {} : { script }),
  };
}

/** One id: a program can map no other. */
function namespaceOf(spec: ContainerSpec, client: Client): UserNamespace {
  const { gid, groups, uid } = client;
  const { group, initScript, user } = spec;
  const owner = { uid, gid, groups };
  const map = planIdMap({
    caller: owner,
    subuids: [],
    subgids: [],
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
    hasVolumes: true,
    keepsOwn: true,
  });
  const inside = lowestOf(map);
  if (initScript !== undefined && inside.uid !== 0) {
    throw new UsageError(
      `Cannot run init script ${quote(initScript)}: it runs as root inside, ` +
        `and ${inside.uid} is the only id that a program has there: leave -u out`,
    );
  }
  return { map, owner, inside };
}

function cannotCompose(): UsageError {
  return new UsageError(
    "Cannot use --compile with these lower directories: what is mounted below " +
      "them is looked up at each launch: name directories with -l that have " +
      "no mounts below, or run cage as root",
  );
}

/** The script as it is now. */
function scriptOf(spec: ContainerSpec, client: Client): Compilation["script"] {
  using open = openScript(spec.initScript, client);
  if (open === undefined) return undefined;
  const { script: { descriptor, inside, outside, path } } = open;
  const { mode, size } = statx(descriptor, "", AT_EMPTY_PATH);
  if (outside && !isOfType(mode, S_IFREG)) {
    throw new UsageError(
      `Cannot use --compile with init script ${quote(path)}: it is no file, ` +
        "and cannot be read again: name a file",
    );
  }
  const bytes = new Uint8Array(outside ? Number(size) : 0);
  if (bytes.length > 0) {
    syscall("pread64", descriptor, { into: bytes }, bytes.length, 0);
  }
  const { env } = containerEnvironment({
    user: { uid: 0, gid: 0, groups: [0] },
    callerEnv: new Map(),
    extra: spec.env ?? [],
  });
  return {
    ...{ path, inside, outside, env },
    ...(outside ? { bytes } : {}),
    isProgram: (mode & 0o111) !== 0,
  };
}

/** With descriptors of the program instead of those that are open here. */
function numbered(
  facts: Facts,
  layout: Layout,
  storage: StoragePlace | undefined,
): Facts {
  const { host, kernel, layers, volumes } = facts;
  return {
    ...facts,
    // The machine that runs it may have another kernel.
    kernel: {
      ...kernel,
      overlay: kernel.overlay === "mount" ? "mount" : "either",
    },
    host: { ...host, isLater: true },
    layers: layers.map((layer, index) => ({
      ...layer,
      mount: sourceNumber(index),
    })),
    volumes: volumes.map((volume, index) => ({
      ...volume,
      mount: sourceNumber(layers.length + index),
    })),
    console: CONSOLE,
    storageInside: [
      ...new Set([
        ...facts.storageInside,
        ...(storage === undefined ? [] : ownStorageInside(layout, storage)),
      ]),
    ],
  };
}

/** The application directory, where a layer shows it. */
function ownStorageInside(
  { appDir, lower, upper }: Layout,
  storage: StoragePlace,
): string[] {
  if (dirname(upper) !== appDir) return [];
  const own = dirname(storage.upper);
  return lower.map(realPath).flatMap((layer) => {
    const above = layer === "/" ? "" : layer;
    return own.startsWith(`${above}/`) ? [own.slice(above.length)] : [];
  });
}

function sourcesOf({ volumes }: Facts, { lower }: Layout): SourcePlace[] {
  return [
    ...lower.map((path) => ({ path, kind: "layer", isMade: false }) as const),
    ...volumes.map(({ host, kind }) =>
      ({ path: host, kind: "volume", isMade: kind === "directory" }) as const
    ),
  ];
}

function storageOf(
  layout: Layout,
  { root }: Facts,
  isPlans: boolean,
): StoragePlace {
  const [upper, work] = [layout.upper, layout.work].map(realPath);
  return {
    above: commonDirectory(upper, work),
    upper,
    work,
    root,
    isPlans,
    private: [upper, work].map(dirname)
      .filter((path) => !STORAGE_BASE.startsWith(path)),
  };
}

/** What is missing of a path is what it says. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    const above = dirname(path);
    if (above === path) return path;
    return `${realPath(above).replace(/\/$/, "")}/${basename(path)}`;
  }
}

/** Whoever runs it meanwhile has the whole of one or of the other. */
function writeProgram(path: string, bytes: Uint8Array): void {
  const made = `${path}.${crypto.randomUUID().slice(0, 8)}`;
  try {
    Deno.writeFileSync(made, bytes, { createNew: true, mode: 0o755 });
    try {
      Deno.renameSync(made, path);
    } catch (error) {
      Deno.removeSync(made);
      throw error;
    }
  } catch (error) {
    throw new CageError(
      `Cannot write ${quote(path)}: ${reasonFor(error)}: name a file in a ` +
        "directory of yours",
    );
  }
}

function reasonFor(error: unknown): string {
  if (error instanceof LaunchError) return error.message;
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\).*$/s, "")
    .replace(/^./, (letter) => letter.toLowerCase());
}
