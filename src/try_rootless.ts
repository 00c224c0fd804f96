/**
 * Tries what the kernel gives to a rootless caller.
 *
 * @module
 */

import { Block, type Failure } from "../ffi/block.ts";
import { CLONE_NEWUSER } from "../ffi/constants.ts";
import { close, pipe2, SyscallError, waitPidfd, write } from "../ffi/libc.ts";
import type { Caller } from "./caller.ts";
import { CageError } from "./errors.ts";
import { errorOf } from "./failure.ts";
import { findComposition } from "./find_composition.ts";
import { findNamespaceReadings, findRefusal } from "./find_userns.ts";
import { NAMESPACES } from "./plan.ts";
import { startQuietly } from "./quiet_start.ts";
import { readOnlyPlaces } from "./read_only_places.ts";
import { trialProgram } from "./trial_program.ts";
import { planNamespace } from "./user_namespace.ts";
import { usernsRefusal } from "./userns_refusal.ts";
import { writeMaps } from "./write_maps.ts";

/** What came of it. */
export interface Trial {
  /** Why there is no container, if there is none. */
  readonly refusal?: string;
  /** What of the host's root can only be read inside, in sentences. */
  readonly readOnly: readonly string[];
}

/**
 * Tries to have a container on the host's own root.
 *
 * @param caller Who calls.
 * @returns What came of it. Nothing is left of it.
 */
export function tryRootless(caller: Caller): Trial {
  try {
    return attempt(caller);
  } catch (error) {
    if (!(error instanceof CageError)) throw error;
    return { refusal: error.message, readOnly: [] };
  }
}

function attempt(caller: Caller): Trial {
  const { map } = planNamespace({}, caller);
  const composition = findComposition({ layers: ["/"] });
  using block = new Block(BLOCK_SIZE);
  const [ready, go] = [pipe2(), pipe2()];
  const pipes = {
    ready: ready.writer,
    go: go.reader,
    goOfLauncher: go.writer,
  };
  try {
    block.append(trialProgram(composition, pipes));
    run(block, (pid) => {
      writeMaps(pid, map, caller.env.get("PATH"));
      write(go.writer, new Uint8Array(1));
    }, () => close(go.writer));
  } finally {
    [ready.reader, ready.writer, go.reader].forEach(close);
  }
  const failure = block.failure();
  if (failure?.stopped) throw refusalOf(failure);
  const readOnly = composition === undefined
    ? []
    : readOnlyPlaces(composition, (step) => block.errno(step));
  return { readOnly };
}

/** Room for the steps of many parts; pages that nothing touches cost nothing. */
const BLOCK_SIZE = 8 << 20;

/** To its end, which comes too if it is not to go on. */
function run(
  block: Block,
  begin: (pid: number) => void,
  end: () => void,
): void {
  let pidfd: number;
  let pid: number;
  try {
    ({ pid, pidfd } = startQuietly(block, NAMESPACES | CLONE_NEWUSER));
  } catch (error) {
    end();
    if (!(error instanceof SyscallError)) throw error;
    const refused = { what: "clone", errno: error.errno } as const;
    throw new CageError(usernsRefusal(refused, findNamespaceReadings()));
  }
  try {
    begin(pid);
  } finally {
    end();
    waitPidfd(pidfd);
    close(pidfd);
  }
}

function refusalOf({ errno, step }: Failure): CageError {
  return findRefusal({ errno, step }) ?? errorOf({ errno, step });
}
