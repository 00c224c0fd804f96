import { assertEquals, assertThrows } from "@std/assert";
import { O_PATH, O_RDONLY } from "../../../ffi/constants.ts";
import {
  listNames,
  openEntry,
  readLink,
  statEntry,
} from "../../../ffi/entries.ts";
import {
  makeEntryDirectory,
  makeLink,
  makeNode,
  removeEntry,
  renameEntry,
  setMode,
  setTimes,
} from "../../../ffi/entry_changes.ts";
import { SyscallError } from "../../../ffi/errors.ts";
import { close, open } from "../../../ffi/files.ts";

function inDirectory(body: (directory: number) => void): void {
  const path = Deno.makeTempDirSync();
  const directory = open(path, O_PATH);
  try {
    body(directory);
  } finally {
    close(directory);
    Deno.removeSync(path, { recursive: true });
  }
}

Deno.test("listNames() lists names of any bytes, in their order", () => {
  inDirectory((directory) => {
    const names = ["b\n", "a\xff", "\xc3\xbc", "z"];
    for (const name of names) makeEntryDirectory(directory, name);
    assertEquals(listNames(directory), ["a\xff", "b\n", "z", "\xc3\xbc"]);
    for (const name of names) removeEntry(directory, name, true);
    assertEquals(listNames(directory), []);
  });
});

Deno.test("listNames() finds nothing in a directory that was removed", () => {
  inDirectory((directory) => {
    makeEntryDirectory(directory, "gone");
    const gone = openEntry(directory, "gone", O_PATH);
    removeEntry(directory, "gone", true);
    assertEquals(listNames(gone), []);
    close(gone);
  });
});

Deno.test("listNames() lists more names than one call gives", () => {
  inDirectory((directory) => {
    const names = Array.from({ length: 2_000 }, (_, at) => `n${at}`).sort();
    for (const name of names) makeNode(directory, name, FIFO);
    assertEquals(listNames(directory), names);
  });
});

const FIFO = { mode: 0o010000, rdev: [0, 0] } as const;

Deno.test("openEntry() follows no link", () => {
  inDirectory((directory) => {
    makeLink("/etc/passwd", directory, "link");
    assertEquals(readLink(directory, "link"), "/etc/passwd");
    assertThrows(
      () => openEntry(directory, "link", O_RDONLY),
      SyscallError,
      "Too many levels",
    );
  });
});

Deno.test("setTimes() takes times of before 1970", () => {
  inDirectory((directory) => {
    makeNode(directory, "x", FIFO);
    const times = { accessed: 5n, modified: -1_500_000_000n };
    setTimes(directory, "x", times);
    const entry = openEntry(directory, "x", O_PATH);
    setMode(entry, 0o640);
    close(entry);
    const { accessed, mode, modified } = statEntry(directory, "x")!;
    assertEquals({ accessed, modified }, times);
    assertEquals(mode, 0o010640);
  });
});

Deno.test("renameEntry() has two entries change places", () => {
  inDirectory((directory) => {
    makeEntryDirectory(directory, "a");
    makeNode(directory, "b", FIFO);
    renameEntry(directory, "a", "b", true);
    assertEquals(statEntry(directory, "b")!.mode >> 12, 4);
    assertEquals(statEntry(directory, "c"), undefined);
  });
});
