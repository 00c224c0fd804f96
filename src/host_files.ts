/**
 * `/etc/resolv.conf` and `/etc/hosts` inside: copies of the host's in memory,
 * so that names resolve, nothing reaches the upper layer, and what is written
 * to them is gone with the container.
 *
 * @module
 */

import {
  AT_FDCWD,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from "../ffi/constants.ts";
import { O_NOFOLLOW } from "../ffi/open_flags.ts";
import { S_IFREG } from "../ffi/file_types.ts";
import { quote } from "./quote.ts";
import type { HostFiles } from "./facts.ts";
import {
  attachMount,
  copyMount,
  label,
  NONE,
  openInside,
  type PlanStep,
  prefixes,
  TOP,
} from "./step.ts";
import { SCRATCH } from "./storage.ts";

/** The path of the layer of {@linkcode absentLayer}. */
export const ABSENT_LAYER: string = `${TOP}/layer`;

/** Paths inside of what {@linkcode hostFiles} gives. */
export const HOST_FILE_PATHS = ["/etc/resolv.conf", "/etc/hosts"] as const;

/** A file and its text. */
export interface HostFile {
  /** The path, on the host and inside. */
  readonly path: typeof HOST_FILE_PATHS[number];
  /** What is in it, or what is added to the host's. */
  readonly text: string;
  /** Whether it begins with what the host's file holds at the launch. */
  readonly isCopied?: boolean;
}

/**
 * Tells which files there will be. A name of the host that `/etc/hosts` does
 * not know is added, as Debian's installer does, so that it resolves inside.
 *
 * @param host What the host's `/etc` says.
 * @returns The files.
 *
 * @example A host that does not know itself
 * ```ts
 * import { hostFiles } from "cage/src/host_files.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(hostFiles({ hosts: "::1 localhost\n", hostname: "box" }), [
 *   { path: "/etc/hosts", text: "::1 localhost\n127.0.1.1\tbox\n" },
 * ]);
 * ```
 */
export function hostFiles(host: HostFiles): HostFile[] {
  const { isLater, resolvConf, hosts = LOCALHOST, hostname } = host;
  const names = hosts.replace(/#.*/g, "").split(/\s+/);
  const own = names.includes(hostname) ? "" : `127.0.1.1\t${hostname}\n`;
  const end = hosts === "" || hosts.endsWith("\n") ? "" : "\n";
  const file = (index: 0 | 1, text: string, added: string): HostFile => ({
    path: HOST_FILE_PATHS[index],
    ...(isLater ? { text: added, isCopied: true } : { text: text + added }),
  });
  return [
    ...(resolvConf === undefined ? [] : [file(0, resolvConf, "")]),
    file(1, hosts, own === "" ? "" : `${end}${own}`),
  ];
}

const LOCALHOST = "127.0.0.1\tlocalhost\n";

/**
 * Writes the copies into the scratch tmpfs.
 *
 * @param files What to write.
 * @returns The steps.
 *
 * @example No files
 * ```ts
 * import { copyHostFiles } from "cage/src/host_files.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(copyHostFiles([]), []);
 * ```
 */
export function copyHostFiles(files: readonly HostFile[]): PlanStep[] {
  return files.flatMap(({ isCopied, path, text }, index) => {
    const why = `Cannot copy ${quote(path)} of the host`;
    const bytes = new TextEncoder().encode(text);
    const copy = `copy${index}`;
    return [
      {
        name: copy,
        call: "openat",
        args: [
          { result: SCRATCH },
          copy,
          O_CREAT | O_WRONLY | O_CLOEXEC,
          0o644,
        ],
        why,
      },
      ...(isCopied ? copyText(path, copy, why) : []),
      {
        call: "write",
        args: [{ result: copy }, bytes, bytes.length],
        why,
      },
      copyMount({ result: SCRATCH }, copy, false, { name: path, why }),
    ];
  });
}

/** What has gone since the plan was made is copied as empty. */
function copyText(path: string, copy: string, why: string): PlanStep[] {
  const [source, end] = [`${copy}-source`, `${copy}-copied`];
  return [
    {
      name: source,
      call: "openat",
      args: [AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC],
      onError: { goto: end },
    },
    {
      call: "sendfile",
      args: [{ result: copy }, { result: source }, NONE, MOST],
      why,
    },
    label(end),
  ];
}

/** Most bytes of a file of the host. */
const MOST = 1 << 24;

/**
 * Makes a layer with an empty file at each path, to be the lowest one: a place
 * to mount on that is not in the upper layer.
 *
 * @param paths Paths that no layer has.
 * @returns The steps; the layer is at {@linkcode ABSENT_LAYER}.
 *
 * @example Nothing is absent
 * ```ts
 * import { absentLayer } from "cage/src/host_files.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(absentLayer([]), []);
 * ```
 */
export function absentLayer(paths: readonly string[]): PlanStep[] {
  if (paths.length === 0) return [];
  const why = "Cannot make a layer for files of the host";
  const at = { result: SCRATCH };
  const directories = paths.flatMap((path) => prefixes(path).slice(0, -1));
  return [
    ...["", ...new Set(directories)].map((path): PlanStep => ({
      call: "mkdirat",
      args: [at, `layer${path}`, 0o755],
      why,
    })),
    ...paths.map((path): PlanStep => ({
      call: "mknodat",
      args: [at, `layer${path}`, S_IFREG | 0o644, 0],
      why,
    })),
  ];
}

/**
 * Mounts the copies on what is there, also on a symbolic link that leads
 * nowhere or to the host: on the link itself. Where nothing can be mounted the
 * root keeps its own file.
 *
 * @param files What was copied.
 * @returns The steps.
 *
 * @example No files
 * ```ts
 * import { mountHostFiles } from "cage/src/host_files.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mountHostFiles([]), []);
 * ```
 */
export function mountHostFiles(files: readonly HostFile[]): PlanStep[] {
  return files.flatMap(({ path }) => {
    const target = `target:${path}`;
    const end = `mounted:${path}`;
    return [
      openInside(path, O_PATH | O_NOFOLLOW, {
        name: target,
        onError: { goto: end },
      }),
      attachMount(path, { result: target }, { onError: {} }),
      label(end),
    ];
  });
}
