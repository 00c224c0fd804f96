/**
 * Who calls, from where, and what they are allowed.
 *
 * @module
 */

import type { Caller } from "./caller.ts";
import { CageError } from "./errors.ts";
import { findCaller } from "./host.ts";
import { POLICY_FILE } from "./policy.ts";
import { findPrivilege, type Privilege } from "./privilege.ts";
import type { ContainerSpec } from "./spec.ts";

/** Who calls, and what the administrator allows them. */
export type Client = Caller & Pick<Privilege, "policy">;

/**
 * Finds out who calls.
 *
 * @param spec What they want.
 * @returns Who calls.
 * @throws {CageError} If they may not have it.
 */
export function findClient(
  { privileged }: Pick<ContainerSpec, "privileged">,
): Client {
  const privilege = findPrivilege();
  if (privileged && privilege.standing === "user") {
    throw new CageError(
      "Cannot use --privileged: it takes root of the machine, which " +
        `${POLICY_FILE} does not grant you: leave it out`,
    );
  }
  return { ...findCaller(privilege), policy: privilege.policy };
}
