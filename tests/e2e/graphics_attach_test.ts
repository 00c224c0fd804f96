/**
 * What `-G` adds to an instance that runs.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  asSelf,
  cage,
  desktopOf,
  hasRanges,
  knowing,
  sh,
  SINK,
  SOUND,
  spawnCage,
  test,
  waiting,
  WAYLAND,
  X11,
} from "./support/mod.ts";

const AS_SELF = await asSelf();

const ALL = { skip: X11.skip ?? WAYLAND.skip ?? SOUND.skip };

test("cage -G adds what a running instance lacks", async (t) => {
  await using desktop = await desktopOf(t);
  await desktop.startAll();
  const { env } = desktop;
  const desk = { within: knowing(env) };
  const name = ["-n", t.name, "--ephemeral"];
  await using first = spawnCage([...name, ...AS_SELF, ...waiting()], desk);
  await first.seen("ready");
  const script =
    "xdpyinfo | head -n 1; wayland-info | grep -c wl_compositor; " +
    "pactl info | grep '^Default Sink'; " +
    "grep -c $XDG_RUNTIME_DIR /proc/self/mountinfo";
  const shown = `name of display:    ${env.DISPLAY}\n1\n` +
    `Default Sink: ${SINK}\n2\n`;
  // What is there already is not added again.
  const self = [...name, "-G", ...AS_SELF];
  for (const options of hasRanges ? [self, self, [...name, "-G"]] : [self]) {
    const { stdout, stderr } = await cage([...options, ...sh(script)], desk);
    assertEquals([stdout, stderr], [shown, ""]);
  }
  // Without -G, nothing is seen of it.
  const plain = await cage([...name, ...AS_SELF, ...sh("echo $DISPLAY")], desk);
  assertEquals(plain.stdout, "\n");
  await first.end();
}, ALL);

test("cage -G adds a socket again that was made again", async (t) => {
  await using desktop = await desktopOf(t);
  const path = `${desktop.runtime}/pipewire-0`;
  const options = { within: knowing(desktop.env) };
  const name = ["-n", t.name, "--ephemeral", "-G"];
  const listen = () => Deno.listen({ transport: "unix", path });
  const script = "stat -c %i $XDG_RUNTIME_DIR/pipewire-0";
  let old: string;
  {
    using _listener = listen();
    await using first = spawnCage([...name, ...waiting()], options);
    await first.seen("ready");
    old = (await cage([...name, ...sh(script)], options)).stdout;
    // The new one has another number as long as the first one is mounted.
    await Deno.remove(path);
    using _other = listen();
    const { stdout, stderr } = await cage([...name, ...sh(script)], options);
    assertEquals(stdout, `${Deno.statSync(path).ino}\n`, stderr);
    assert(old !== stdout);
    await first.end();
  }
});
