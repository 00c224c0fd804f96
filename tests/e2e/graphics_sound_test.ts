/**
 * Sound with `-G`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  asSelf,
  cage,
  desktopOf,
  exists,
  frequencyOf,
  knowing,
  RATE,
  sh,
  show,
  SINK,
  SOUND,
  test,
  TONE_FORMAT,
  toneOf,
  until,
} from "./support/mod.ts";

const AS_SELF = await asSelf();

test("cage -G lets what is played inside be heard outside", async (t) => {
  await using desktop = await desktopOf(t);
  await desktop.startSound();
  for (const options of [[], AS_SELF]) {
    const { stdout, stderr } = await show(desktop, [
      ...options,
      ...sh(
        "pactl info | grep '^Default Sink'; ls -l $PULSE_COOKIE | cut -c1-10",
      ),
    ]);
    assertEquals(stdout, `Default Sink: ${SINK}\n-rw-------\n`, stderr);
  }
  const file = `${t.scratch}/record`;
  const recorder = desktop.start([
    ...["parec", `--device=${SINK}.monitor`, "--latency-msec=50"],
    ...[...TONE_FORMAT, file],
  ]);
  await until(() => exists(file) && Deno.statSync(file).size > 0, "it records");
  const { status, stderr } = await cage([
    ...["-G", "--ephemeral", ...AS_SELF, "--", "pacat", ...TONE_FORMAT],
  ], {
    within: knowing(desktop.env),
    stdin: toneOf(440, 2),
  });
  assertEquals(status, 0, stderr);
  const heard = await until(
    () => frequencyOf(Deno.readFileSync(file)),
    "a tone is recorded",
  );
  recorder.kill("SIGTERM");
  assert(Math.abs(heard - 440) <= 5, `${heard} Hz of ${RATE}`);
}, SOUND);

test(
  "cage -G passes PipeWire on, and closes its directory to others",
  async (t) => {
    await using desktop = await desktopOf(t);
    using _listener = Deno.listen({
      transport: "unix",
      path: `${desktop.runtime}/pipewire-0`,
    });
    const { stdout, stderr } = await show(
      desktop,
      sh("stat -c %F $XDG_RUNTIME_DIR/pipewire-0; stat -c %a $XDG_RUNTIME_DIR"),
    );
    assertEquals(stdout, "socket\n700\n", stderr);
    assert(!stderr.includes("sound"), stderr);
  },
);
