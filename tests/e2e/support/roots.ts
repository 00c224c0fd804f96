/**
 * Root file systems to run containers on.
 *
 * @module
 */

import { aptProxies, aptSource } from "./apt.ts";
import { ownInside } from "./files.ts";
import { hasRanges, HOME, isRootless } from "./mode.ts";
import { makeScratch, removeScratch } from "./scratch.ts";
import { output } from "./process.ts";
import { exists } from "./words.ts";

/** Where roots stay between runs of the tests. */
export const ROOTS: string = isRootless
  ? `${HOME}/.cache/cage-tests`
  : "/var/cache/cage-tests";

/** Users of {@linkcode busyboxRoot}. */
export const PASSWD: string = [
  "root:x:0:0:root:/root:/bin/sh",
  "alice:x:1000:1000:Alice:/home/alice:/bin/ash",
  "bare:x:1001:1001:::",
  "",
].join("\n");

/** Groups of {@linkcode busyboxRoot}. */
export const GROUP: string = [
  "root:x:0:",
  "adm:x:4:root",
  "audio:x:29:bob,alice",
  "staff:x:50:alice",
  "alice:x:1000:",
  "bare:x:1001:",
  "",
].join("\n");

let applets: string[] | undefined;

/**
 * Makes a root of busybox alone.
 *
 * @param path Where; the directory is made.
 * @param bare Whether there is no directory to mount anything on, no home and
 * nothing else that is not needed.
 * @returns The path.
 */
export async function busyboxRoot(
  path: string,
  bare: boolean = false,
): Promise<string> {
  applets ??= (await output([busybox(), "--list"])).trim().split("\n");
  const directories = bare ? ["bin", "etc"] : [
    ...["bin", "etc", "dev", "home", "proc", "root", "run", "sbin", "sys"],
    ...["tmp", "usr/bin", "usr/sbin", "var/lib", "var/tmp"],
  ];
  for (const name of directories) {
    await Deno.mkdir(`${path}/${name}`, { recursive: true });
  }
  await Deno.copyFile(busybox(), `${path}/bin/busybox`);
  await Deno.chmod(`${path}/bin/busybox`, 0o755);
  for (const name of applets.filter((applet) => applet !== "busybox")) {
    Deno.symlinkSync("busybox", `${path}/bin/${name}`);
  }
  await Deno.writeTextFile(`${path}/etc/passwd`, PASSWD);
  await Deno.writeTextFile(`${path}/etc/group`, GROUP);
  if (!bare) {
    await Deno.mkdir(`${path}/home/alice`);
    if (hasRanges) await ownInside(`${path}/home/alice`, 1000);
    await Deno.writeTextFile(`${path}/etc/hosts`, "127.0.0.1 localhost\n");
  }
  return path;
}

/**
 * Tells why there is no root of busybox.
 *
 * @returns A reason, or nothing.
 */
export function whyNoBusybox(): string | undefined {
  return exists(busybox()) ? undefined : "busybox-static is not installed";
}

/**
 * Gives a root made by debootstrap(8), which is made once and kept. It is to
 * be used as a lower directory only.
 *
 * @returns The path.
 */
export async function debianRoot(): Promise<string> {
  const { mirror, suite } = aptSource();
  const path = `${ROOTS}/debian-${suite}`;
  await Deno.mkdir(ROOTS, { recursive: true });
  using lock = await Deno.open(`${ROOTS}/lock`, { create: true, write: true });
  await lock.lock(true);
  if (exists(path)) return path;
  const made = makeScratch(ROOTS);
  try {
    await Deno.chmod(made, 0o755);
    await output(
      ["debootstrap", "--variant=minbase", suite, `${made}/root`, mirror],
      { env: await aptProxies(), patience: 1_800_000 },
    );
    await Deno.rename(`${made}/root`, path);
  } finally {
    await removeScratch(made);
  }
  return path;
}

/**
 * Tells why there is no root of Debian.
 *
 * @returns A reason, or nothing.
 */
export function whyNoDebian(): string | undefined {
  if (isRootless) return whyNoDebianOfOwn();
  if (!exists("/usr/sbin/debootstrap")) return "debootstrap is not installed";
  try {
    aptSource();
    return undefined;
  } catch (error) {
    return `debootstrap has no mirror: ${(error as Error).message}`;
  }
}

/** A user is given one whose ids are theirs: debootstrap(8) takes root. */
function whyNoDebianOfOwn(): string | undefined {
  try {
    return exists(`${ROOTS}/debian-${aptSource().suite}`)
      ? undefined
      : "the user has no root of Debian, as the suite e2e-rootless gives one";
  } catch (error) {
    return (error as Error).message;
  }
}

/** The program, whose name is the same on all systems of Debian. */
export function busybox(): string {
  return exists("/bin/busybox") ? "/bin/busybox" : "/usr/bin/busybox";
}
