/**
 * Whose rights a thread has, followed through the calls that change them.
 *
 * @module
 */

import type { TracedCall } from "./strace.ts";

/** What the kernel asks when a path is opened, see credentials(7). */
export interface Credentials {
  /** Effective user. */
  euid: number;
  /** Effective group. */
  egid: number;
  /** User for files. */
  fsuid: number;
  /** Group for files. */
  fsgid: number;
  /** Whether capabilities override the permissions of the host's files. */
  overrides: boolean;
  /** Whether supplementary groups are others than at the start. */
  changedGroups: boolean;
  /** Whether capabilities survive a change of ids, see capabilities(7). */
  keepsCapabilities: boolean;
  /** Whether it is in a user namespace of its own. */
  confined: boolean;
}

/** How ids of a user namespace are those of the host. */
export interface Mapping {
  /** Who is root there. */
  readonly root: number;
  /** Who is 1 there; nobody if absent. */
  readonly range?: number;
}

/** Capabilities that let a path be opened or changed. */
const OVERRIDING = /CAP_(DAC_OVERRIDE|DAC_READ_SEARCH|FOWNER|CHOWN|MKNOD)\b/;

/** Credentials of a user's own process. */
export function credentialsOf(uid: number): Credentials {
  return {
    ...{ euid: uid, egid: uid, fsuid: uid, fsgid: uid },
    ...{ overrides: false, changedGroups: false },
    ...{ keepsCapabilities: false, confined: false },
  };
}

/** Credentials after a program was executed that is setuid root. */
export function setuidRoot(before: Credentials): Credentials {
  return { ...before, euid: 0, fsuid: 0, overrides: true };
}

/**
 * Follows a call.
 *
 * @param who What is changed.
 * @param call The call.
 * @param mapping Ids of user namespaces.
 */
export function follow(
  who: Credentials,
  { name, args, result }: TracedCall,
  mapping: Mapping,
): void {
  const isFs = /^setfs[ug]id/.test(name);
  if (!isFs && result.startsWith("-1")) return;
  const id = (arg: string) => toHost(who, Number.parseInt(arg), mapping);
  switch (name) {
    case "setresuid":
      return setUser(who, id(args[1]));
    case "setreuid":
      return setUser(who, id(args[1]));
    case "setuid":
      return setUser(who, id(args[0]));
    case "setresgid":
    case "setregid":
      return setGroup(who, id(args[1]));
    case "setgid":
      return setGroup(who, id(args[0]));
    case "setfsuid":
      return setFileUser(who, id(args[0]));
    case "setfsgid":
      if (!isNaN(id(args[0]))) who.fsgid = id(args[0]);
      return;
    case "setgroups":
      who.changedGroups = true;
      return;
    case "prctl":
      if (args[0] === "PR_SET_SECUREBITS" || args[0] === "PR_SET_KEEPCAPS") {
        who.keepsCapabilities = /NO_SETUID_FIXUP/.test(args[1]);
      }
      return;
    case "capset":
      return setCapabilities(who, args.join());
    case "unshare":
    case "setns":
      if (args.join().includes("CLONE_NEWUSER")) confine(who);
  }
}

/**
 * Enters a user namespace: ids stay, and no capability counts outside.
 *
 * @param who What is changed.
 */
export function confine(who: Credentials): void {
  who.confined = true;
  who.overrides = false;
}

/** -1, which leaves an id as it is, is no number here. */
function toHost({ confined }: Credentials, id: number, mapping: Mapping) {
  if (id < 0 || id === 0xffffffff) return NaN;
  if (!confined) return id;
  if (id === 0) return mapping.root;
  return mapping.range === undefined ? NaN : mapping.range + id - 1;
}

function setUser(who: Credentials, id: number): void {
  if (isNaN(id)) return;
  const was = who.euid;
  who.euid = id;
  who.fsuid = id;
  if (who.confined || who.keepsCapabilities) return;
  if (was === 0 && id !== 0) who.overrides = false;
  if (was !== 0 && id === 0) who.overrides = true;
}

function setGroup(who: Credentials, id: number): void {
  if (isNaN(id)) return;
  who.egid = id;
  who.fsgid = id;
}

function setFileUser(who: Credentials, id: number): void {
  if (isNaN(id)) return;
  const was = who.fsuid;
  who.fsuid = id;
  if (who.confined || who.keepsCapabilities) return;
  if (was === 0 && id !== 0) who.overrides = false;
  if (was !== 0 && id === 0 && who.euid === 0) who.overrides = true;
}

function setCapabilities(who: Credentials, text: string): void {
  const effective = text.match(/effective=([^,]*)/)?.[1] ?? "";
  who.overrides = !who.confined && OVERRIDING.test(effective);
}
