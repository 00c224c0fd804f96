import { assertEquals } from "@std/assert";
import { ARCHES } from "../../../ffi/arch.ts";
import { callNumber } from "../../../ffi/calls.ts";
import { SIGNALS } from "../../../ffi/constants.ts";
import { kill, poll, syscall } from "../../../ffi/libc.ts";
import { noteListing, RESTORER } from "../../../ffi/note_code.ts";
import { Notes } from "../../../ffi/notes.ts";
import { assemble } from "./tools.ts";

for (const arch of ARCHES) {
  Deno.test(`noteListing() of ${arch} is what the assembler makes of its assembly`, async () => {
    const { assembly, code } = noteListing(arch);
    const made = await assemble(arch, assembly);
    if (made === undefined) return;
    assertEquals(code.toHex(), made.code.toHex());
    assertEquals(made.labels.restorer, RESTORER[arch]);
    assertEquals(made.labels.writer, code.length - 8);
  });

  Deno.test(`noteListing() of ${arch} has the numbers of its own calls`, () => {
    const register = arch === "x86_64" ? "mov eax, " : "mov x8, #";
    // rt_sigreturn is in no program: the same two tables.
    const numbers = [callNumber("write", arch), arch === "x86_64" ? 15 : 139];
    assertEquals(
      noteListing(arch).assembly.split("\n")
        .filter((line) => line.startsWith(register)),
      numbers.map((number) => `${register}${number}`),
    );
  });
}

function send(signal: number): void {
  kill(Deno.pid, signal);
}

/** The next signal, once one is there. */
function next(notes: Notes): number | undefined {
  poll([{ fd: notes.reader }]);
  return notes.next()?.[0];
}

Deno.test("Notes are written of signals in the order in which they come", () => {
  const notes = new Notes([SIGNALS.SIGUSR1, SIGNALS.SIGUSR2]);
  try {
    const sent = [SIGNALS.SIGUSR2, SIGNALS.SIGUSR1, SIGNALS.SIGUSR2];
    const seen = sent.map((signal) => {
      send(signal);
      return next(notes);
    });
    assertEquals(seen, sent);
    assertEquals(notes.next(), undefined);
  } finally {
    notes.end();
  }
});

Deno.test("Notes tell who sent a signal, and can be put back", () => {
  const notes = new Notes([SIGNALS.SIGUSR2]);
  try {
    send(SIGNALS.SIGUSR2);
    poll([{ fd: notes.reader }]);
    const info = notes.next()!;
    // si_pid, and SI_USER as si_code: sigaction(2).
    const view = new DataView(info.buffer);
    assertEquals([view.getInt32(8, true), view.getInt32(16, true)], [
      ...[0, Deno.pid],
    ]);
    notes.putBack(info);
    assertEquals(notes.next(), info);
  } finally {
    notes.end();
  }
});

Deno.test("Notes leave signals alone that are ignored, and stop when told to", () => {
  const action = (signal: number, handler?: bigint) => {
    const old = new BigUint64Array(4);
    const into = new Uint8Array(old.buffer);
    const given = handler === undefined
      ? 0
      : new Uint8Array(new BigUint64Array([handler, 0n, 0n, 0n]).buffer);
    syscall("rt_sigaction", signal, given, { into }, 8);
    return old[0];
  };
  const before = action(SIGNALS.SIGUSR2, 1n);
  const notes = new Notes([SIGNALS.SIGUSR1, SIGNALS.SIGUSR2]);
  try {
    assertEquals(action(SIGNALS.SIGUSR2), 1n);
    const handler = action(SIGNALS.SIGUSR1);
    assertEquals(handler > 1n, true);
    notes.end();
    assertEquals(action(SIGNALS.SIGUSR1), 0n);
    notes.begin();
    assertEquals(action(SIGNALS.SIGUSR1), handler);
    assertEquals(action(SIGNALS.SIGUSR2), 1n);
  } finally {
    notes.end();
    action(SIGNALS.SIGUSR2, before);
  }
});
