/**
 * Finds out what a command has to know of a container that it joins.
 *
 * @module
 */

import type { Caller } from "./caller.ts";
import { type IdMap, lowestOf, parseMap } from "./idmap.ts";
import type { Running } from "./instances.ts";
import type { Attachment } from "./plan.ts";
import { isOfEnded } from "./process_state.ts";

/**
 * Finds it out, from the kernel where it can tell.
 *
 * @param running The instance.
 * @param caller Who calls.
 * @returns What is to be known; nothing if it has just ended.
 */
export function findAttachment(
  { pid, pidfd, record }: Running,
  { standing }: Pick<Caller, "standing">,
): Attachment | undefined {
  const { privileged } = record;
  const common = { pidfd, privileged, becomesRoot: standing === "granted" };
  try {
    if (isInUserNamespaceOfThis(pid)) return common;
    const text = (file: string) =>
      Deno.readTextFileSync(`/proc/${pid}/${file}`);
    const map: IdMap = {
      uid: parseMap(text("uid_map")),
      gid: parseMap(text("gid_map")),
      setgroups: text("setgroups").trim() === "allow" ? "allow" : "deny",
    };
    const groups = groupsOf(text("status"));
    const inside = lowestOf(map);
    return {
      ...common,
      becomesRoot: false,
      userNamespace: {
        ...{ map, inside, groups },
        isFirst: standing === "rootless",
      },
    };
  } catch (error) {
    if (isOfEnded(error)) return undefined;
    throw error;
  }
}

function isInUserNamespaceOfThis(pid: number): boolean {
  const namespace = (process: number | "self") =>
    Deno.readLinkSync(`/proc/${process}/ns/user`);
  return namespace(pid) === namespace("self");
}

/** Supplementary groups, see proc_pid_status(5). */
function groupsOf(status: string): number[] {
  const [, list = ""] = /^Groups:\t(.*)$/m.exec(status) ?? [];
  return list.trim().split(" ").filter((word) => word !== "").map(Number);
}
