import { assertEquals } from "@std/assert";
import { type Arch, ARCHES } from "../../../ffi/arch.ts";
import { callNumber } from "../../../ffi/calls.ts";
import { SIGNALS } from "../../../ffi/constants.ts";
import { kill, poll, syscall } from "../../../ffi/libc.ts";
import { noteListing, RESTORER } from "../../../ffi/note_code.ts";
import { Notes } from "../../../ffi/notes.ts";
import { has, inTempDir, output } from "./tools.ts";

const DIALECT: Record<Arch, string> = {
  x86_64: ".intel_syntax noprefix\n",
  aarch64: "",
};

for (const arch of ARCHES) {
  Deno.test(`noteListing() of ${arch} is what the assembler makes of its assembly`, async () => {
    const prefix = arch === Deno.build.arch ? "" : `${arch}-linux-gnu-`;
    if (!await has(`${prefix}as`)) return;
    await inTempDir(async (directory) => {
      const at = (name: string) => `${directory}/${name}`;
      const { assembly, code } = noteListing(arch);
      await Deno.writeTextFile(at("a.s"), DIALECT[arch] + assembly);
      await output(`${prefix}as`, "-o", at("a.o"), at("a.s"));
      await output(
        `${prefix}objcopy`,
        ...["-O", "binary", "-j", ".text", at("a.o"), at("a.bin")],
      );
      assertEquals(code.toHex(), (await Deno.readFile(at("a.bin"))).toHex());
      const { stdout } = await output(`${prefix}nm`, at("a.o"));
      const labels = Object.fromEntries(
        [...stdout.matchAll(/^([0-9a-f]+) t (\w+)$/gm)]
          .map(([, offset, name]) => [name, parseInt(offset, 16)]),
      );
      assertEquals(labels.restorer, RESTORER[arch]);
      assertEquals(labels.writer, code.length - 8);
    });
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
