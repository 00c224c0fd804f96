/**
 * The session bus, by a proxy: xdg-dbus-proxy(1), a process outside with the
 * rights of the user whose desktop it is, and with nothing of this program's.
 *
 * @module
 */

import { Block } from "../ffi/block.ts";
import { CLD_EXITED } from "../ffi/constants.ts";
import { close, pipe2, read } from "../ffi/libc.ts";
import { S_IFSOCK } from "../ffi/file_types.ts";
import { asCaller } from "./as_caller.ts";
import { addressOf, busAddress, busSocket } from "./bus_address.ts";
import {
  busFailed,
  busMissing,
  PROXY,
  type Proxy,
  proxyProgram,
} from "./bus_proxy.ts";
import { isLent } from "./caller.ts";
import type { Client } from "./client.ts";
import type { Desktop } from "./desktop.ts";
import type { Hold } from "./directories.ts";
import { CageError } from "./errors.ts";
import { errorOf } from "./failure.ts";
import { asDesktop, findDesktop, openAs } from "./find_graphics.ts";
import { findProgram } from "./find_program.ts";
import type { GraphicsFacts } from "./graphics.ts";
import { Helper } from "./helper.ts";
import { quote } from "./quote.ts";
import { Said } from "./said.ts";
import { untilReadable, type Waiting } from "./wait.ts";

/**
 * A way to the session bus. Its socket is taken away again when a container has
 * it, or none is to have it.
 *
 * @example Nobody asks for it
 * ```ts
 * import { findClient } from "cage/src/client.ts";
 * import { SessionBus } from "cage/src/session_bus.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using bus = new SessionBus(findClient({}));
 * assertEquals(bus.found, undefined);
 * ```
 */
export class SessionBus implements Disposable {
  /** What there is for a container. */
  found: GraphicsFacts["bus"];
  /** Sentences about what was not found. */
  readonly notes: string[] = [];
  readonly #client: Client;
  #directory: string | undefined;

  /**
   * Prepares to look for it.
   *
   * @param client Who calls.
   */
  constructor(client: Client) {
    this.#client = client;
  }

  /**
   * Starts the proxy, if there is a bus.
   *
   * @param hold What holds it: the proxy ends with that.
   * @param name The name of its socket inside.
   * @returns Nothing, once it listens.
   * @throws {CageError} If it cannot be started.
   */
  *open(hold: Hold, name = "bus"): Waiting<void> {
    const client = this.#client;
    const desktop = findDesktop(client);
    const usual = busSocket(desktop);
    const isUsual = asDesktop(desktop, client, (user) => isSocket(usual, user));
    const address = busAddress(desktop) ??
      (isUsual ? addressOf(usual) : undefined);
    if (address === undefined) {
      this.notes.push(
        "No session bus for --dbus: DBUS_SESSION_BUS_ADDRESS is not set, and " +
          `there is no socket at ${quote(usual)}`,
      );
      return;
    }
    const isOwn = !isLent(client) && !desktop.isOther;
    const path = isOwn ? client.env.get("PATH") : undefined;
    const program = findProgram(PROXY, path);
    if (program === undefined) throw new CageError(busMissing());
    this.#directory = asDesktop(
      desktop,
      client,
      (user) => asCaller(user, () => makePlace(desktop)),
    );
    const socket = `${this.#directory}/bus`;
    const as = isOwn ? undefined : desktop;
    yield* startProxy({ program, address, socket, as }, hold);
    this.found = { name, socket };
  }

  /** Takes the socket away. */
  [Symbol.dispose](): void {
    const directory = this.#directory;
    if (directory === undefined) return;
    this.#directory = undefined;
    const desktop = findDesktop(this.#client);
    asDesktop(
      desktop,
      this.#client,
      (user) => asCaller(user, () => removePlace(directory)),
    );
  }
}

function isSocket(path: string, user: Client): boolean {
  const found = openAs(path, S_IFSOCK, user);
  if (found !== undefined) close(found.descriptor);
  return found !== undefined;
}

/** In a directory that is closed to others, as the socket is for everybody. */
function makePlace({ runtime }: Desktop): string {
  const name = `cage-bus-${crypto.randomUUID()}`;
  for (const parent of [runtime, "/tmp"]) {
    try {
      const path = `${parent}/${name}`;
      Deno.mkdirSync(path, { mode: 0o700 });
      return path;
    } catch {
      // The next one is tried.
    }
  }
  throw new CageError(busFailed(`there is no place in ${quote(runtime)}`));
}

/** What its user has done with it meanwhile is theirs. */
function removePlace(directory: string): void {
  // A proxy that failed has made no socket.
  for (const path of [`${directory}/bus`, directory]) {
    try {
      Deno.removeSync(path);
    } catch {
      // It is in a directory that is emptied at logout.
    }
  }
}

/** The proxy writes a byte when it listens, and ends with the pipe. */
function* startProxy(
  proxy: Omit<Proxy, "ready" | "words">,
  hold: Hold,
): Waiting<void> {
  using said = new Said(PROXY);
  const { reader, writer } = pipe2();
  hold.keep(reader);
  using pipe = new DisposableStack();
  pipe.defer(() => close(writer));
  using block = new Block();
  block.append(
    proxyProgram({ ...proxy, ready: writer, words: said.descriptor }),
  );
  using helper = new Helper(block);
  // It ends as soon as the proxy is executed.
  yield* untilReadable(helper.pidfd);
  const { code, status } = helper.wait();
  pipe.dispose();
  const failure = block.failure();
  if (failure?.stopped) {
    throw errorOf({ step: failure.step, errno: failure.errno });
  }
  if (code !== CLD_EXITED || status !== 0) throw new CageError(busFailed(""));
  yield* untilReadable(reader);
  if (read(reader, new Uint8Array(1)) === 0) {
    throw new CageError(busFailed(said.text()));
  }
}
