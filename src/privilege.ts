/**
 * Who may use this.
 *
 * @module
 */

import { ids } from "../ffi/libc.ts";
import { CageError } from "./errors.ts";

/**
 * Refuses a caller who is not root. A set-user-ID bit changes nothing about
 * who calls: it is the real id that counts.
 *
 * @throws {CageError} If the caller is not root.
 */
export function checkPrivilege(): void {
  const { uid: [real, effective] } = ids();
  if (real === 0 && effective === 0) return;
  throw new CageError(
    `Cannot start a container as user ${real}: it takes root: ` +
      "run it with sudo",
  );
}
