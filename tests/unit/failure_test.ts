import { assert, assertEquals } from "@std/assert";
import { CommandError, LaunchError } from "../../src/errors.ts";
import {
  contextMessage,
  errorOf,
  needsImage,
  reasonOf,
} from "../../src/failure.ts";
import { OVERLAY } from "../../src/overlay.ts";
import { EXECUTE } from "../../src/process.ts";
import type { PlanStep } from "../../src/step.ts";
import { ATTRIBUTES } from "../../src/overlay.ts";

const ENOENT = 2;
const ENOEXEC = 8;
const EACCES = 13;
const EINVAL = 22;

const step: PlanStep = {
  call: "mount",
  args: [],
  why: 'Cannot mount proc on "/proc"',
  hints: { EACCES: "ask root" },
};

Deno.test("errorOf() says what failed, why, and what to do if it knows", () => {
  const error = errorOf({ step, errno: EACCES });
  assert(error instanceof LaunchError);
  assertEquals(
    [error.message, error.call, error.errno, error.status],
    [
      'Cannot mount proc on "/proc": permission denied: ask root',
      "mount",
      EACCES,
      125,
    ],
  );
  assertEquals(
    errorOf({ step, errno: EINVAL }).message,
    'Cannot mount proc on "/proc": invalid argument',
  );
});

Deno.test("errorOf() takes the kernel's own words before the errno's", () => {
  assertEquals(
    errorOf({ step, errno: EINVAL, message: "no such option" }).message,
    'Cannot mount proc on "/proc": no such option',
  );
});

Deno.test("errorOf() tells a command that is missing from one that is none", () => {
  const execute: PlanStep = {
    name: `${EXECUTE}1`,
    call: "execve",
    args: [],
    why: 'Cannot run "x"',
  };
  const cases: [attempts: number[], status: number, words: string][] = [
    [[ENOENT, ENOENT], 127, "no such file or directory: it is in no directory"],
    [[ENOENT], 127, "no such file or directory: name a program"],
    [[EACCES, ENOENT], 126, "permission denied"],
    [[ENOENT, ENOEXEC], 126, 'exec format error: begin a script with "#!/bin'],
  ];
  for (const [attempts, status, words] of cases) {
    const errno = attempts.at(-1)!;
    const error = errorOf({ step: execute, errno, attempts });
    assert(error instanceof CommandError);
    assertEquals(error.status, status);
    assert(error.message.startsWith(`Cannot run "x": ${words}`), error.message);
  }
});

Deno.test("needsImage() is for what the file system cannot do alone", () => {
  const named = (name: string) => ({ ...step, name });
  assert(needsImage({ step: named(OVERLAY), errno: EINVAL }));
  assert(needsImage({ step: named(ATTRIBUTES), errno: 95 }));
  assert(!needsImage({ step: named(ATTRIBUTES), errno: 28 }));
  assert(!needsImage({ step: named("root"), errno: EINVAL }));
  const message = "workdir and upperdir must reside under the same mount";
  assert(!needsImage({ step: named(OVERLAY), errno: EINVAL, message }));
});

Deno.test("contextMessage() is empty where the kernel said nothing", () => {
  assertEquals(contextMessage(new Uint8Array(16)), "");
});

Deno.test("reasonOf() says something for any number", () => {
  assertEquals(reasonOf(4000), "unknown error 4000");
});
