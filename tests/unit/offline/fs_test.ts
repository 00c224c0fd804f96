import { assertEquals, assertThrows } from "@std/assert";
import * as std from "@std/fs";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import * as standIn from "../../../.ci/offline/fs.ts";

type Fs = typeof standIn;

for (const fs of new Set<Fs>([std, standIn])) {
  describe(
    fs === standIn ? "the stand-in for @std/fs" : "@std/fs",
    () => tests(fs),
  );
}

function tests(fs: Fs): void {
  let dir: string;

  beforeEach(() => {
    dir = Deno.makeTempDirSync();
    Deno.writeTextFileSync(`${dir}/file`, "");
    Deno.symlinkSync("nothing", `${dir}/dangling`);
  });

  afterEach(() => Deno.removeSync(dir, { recursive: true }));

  it("existsSync() follows symlinks", () => {
    const cases: [string, boolean][] = [
      ["", true],
      ["/file", true],
      ["/dangling", false],
      ["/nothing", false],
    ];
    for (const [path, there] of cases) {
      assertEquals(fs.existsSync(dir + path), there);
    }
    assertEquals(fs.existsSync(new URL(`file://${dir}/file`)), true);
  });

  it("existsSync() throws what is not an absence", () => {
    assertThrows(() => fs.existsSync(`${dir}/file/x`), Error, "directory");
  });

  it("ensureDirSync() makes all that is missing", () => {
    for (let time = 0; time < 2; time++) fs.ensureDirSync(`${dir}/a/b`);
    assertEquals(Deno.statSync(`${dir}/a/b`).isDirectory, true);
  });

  it("ensureDirSync() refuses a file", () => {
    assertThrows(
      () => fs.ensureDirSync(`${dir}/file`),
      Error,
      "Failed to ensure directory exists: expected 'dir', got 'file'",
    );
  });

  it("ensureDirSync() throws what else went wrong", () => {
    assertThrows(() => fs.ensureDirSync(`${dir}/file/x`), Error, "directory");
    assertThrows(() => fs.ensureDirSync(`${dir}/dangling`), Error);
  });
}
