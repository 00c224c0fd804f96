import { assertEquals, assertThrows } from "@std/assert";
import { CageError, LaunchError } from "../../src/errors.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/policy.ts";
import { readPolicy } from "../../src/policy_file.ts";

const isRoot = Deno.uid() === 0;
const TEXT = '{ "granted": { "users": ["alice"] } } // why';
const POLICY: Policy = {
  ...DEFAULT_POLICY,
  granted: { users: ["alice"], groups: [] },
};

/** Makes a directory that only root can change, and all above it too. */
function withDirectory(test: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ dir: "/var/lib" });
  try {
    test(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** A test with a policy in a directory of its own, for root alone. */
function testAsRoot(
  name: string,
  test: (cage: string, file: string, directory: string) => void,
): void {
  const why = isRoot ? "" : " (skipped: takes root)";
  Deno.test(
    name + why,
    { ignore: !isRoot },
    () =>
      withDirectory((directory) => {
        const cage = `${directory}/cage`;
        Deno.mkdirSync(cage);
        Deno.writeTextFileSync(`${cage}/policy.json`, TEXT, { mode: 0o644 });
        const before = descriptors();
        test(cage, `${cage}/policy.json`, directory);
        assertEquals(descriptors(), before);
      }),
  );
}

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** What follows the path of the file in the sentence. */
function reasonOf(file: string): string {
  const { message } = assertThrows(() => readPolicy(file), CageError);
  const start = `Cannot use policy "${file}": `;
  assertEquals(message.slice(0, start.length), start);
  return message.slice(start.length);
}

testAsRoot("readPolicy() reads a file that is root's alone", (_, file) => {
  assertEquals(readPolicy(file), POLICY);
  Deno.chmodSync(file, 0o400);
  assertEquals(readPolicy(file), POLICY);
});

testAsRoot("readPolicy() gives the default where nothing is", (cage, file) => {
  Deno.removeSync(file);
  assertEquals(readPolicy(file), DEFAULT_POLICY);
  Deno.removeSync(cage);
  assertEquals(readPolicy(file), DEFAULT_POLICY);
});

testAsRoot("readPolicy() refuses a file of somebody else", (_, file) => {
  Deno.chownSync(file, 1234, 0);
  assertEquals(
    reasonOf(file),
    'it belongs to user 1234: give it to root with "chown root"',
  );
});

testAsRoot("readPolicy() takes any group that cannot write", (_, file) => {
  Deno.chownSync(file, 0, 1234);
  assertEquals(readPolicy(file), POLICY);
});

testAsRoot("readPolicy() refuses a file that others can write", (_, file) => {
  for (const mode of [0o664, 0o646, 0o620, 0o602]) {
    Deno.chmodSync(file, mode);
    assertEquals(
      reasonOf(file),
      "it can be written by others than root: take that from them with " +
        '"chmod go-w"',
    );
  }
});

testAsRoot("readPolicy() refuses directories that are not root's alone", (
  cage,
  file,
  directory,
) => {
  for (const path of [cage, directory]) {
    Deno.chownSync(path, 1234, 0);
    assertEquals(
      reasonOf(file),
      `directory "${path}" belongs to user 1234: give it to root with ` +
        '"chown root"',
    );
    Deno.chownSync(path, 0, 0);
    for (const mode of [0o775, 0o757, 0o1777]) {
      Deno.chmodSync(path, mode);
      assertEquals(
        reasonOf(file),
        `directory "${path}" can be written by others than root: take that ` +
          'from them with "chmod go-w"',
      );
    }
    Deno.chmodSync(path, 0o755);
  }
  assertEquals(readPolicy(file), POLICY);
});

testAsRoot("readPolicy() looks at a directory even if no file is there", (
  cage,
  file,
) => {
  Deno.removeSync(file);
  Deno.chmodSync(cage, 0o777);
  reasonOf(file);
});

testAsRoot("readPolicy() follows no symbolic link", (cage, file, directory) => {
  Deno.renameSync(file, `${cage}/real.json`);
  for (const target of ["real.json", "nothing"]) {
    Deno.symlinkSync(target, file);
    assertEquals(
      reasonOf(file),
      "too many levels of symbolic links: symbolic links are not followed",
    );
    Deno.removeSync(file);
  }
  Deno.renameSync(`${cage}/real.json`, file);
  Deno.renameSync(cage, `${directory}/real`);
  for (const target of ["real", "nothing"]) {
    Deno.symlinkSync(target, cage);
    assertEquals(
      reasonOf(file),
      "not a directory: symbolic links are not followed",
    );
    Deno.removeSync(cage);
  }
});

testAsRoot(
  "readPolicy() refuses what is no regular file, and does not wait for it",
  (
    _,
    file,
  ) => {
    Deno.removeSync(file);
    const reason = "it is no regular file: put one there";
    Deno.mkdirSync(file);
    assertEquals(reasonOf(file), reason);
    Deno.removeSync(file);
    new Deno.Command("mkfifo", { args: ["-m", "644", file] }).outputSync();
    assertEquals(reasonOf(file), reason);
  },
);

testAsRoot("readPolicy() reads a megabyte and no more", (_, file) => {
  const longest = TEXT + " ".repeat((1 << 20) - TEXT.length);
  Deno.writeTextFileSync(file, longest);
  assertEquals(readPolicy(file), POLICY);
  Deno.writeTextFileSync(file, `${longest} `);
  assertEquals(
    reasonOf(file),
    "it is too large: make it 1048576 bytes at most",
  );
  Deno.truncateSync(file, 2 ** 40);
  assertEquals(
    reasonOf(file),
    "it is too large: make it 1048576 bytes at most",
  );
});

testAsRoot("readPolicy() refuses what is not valid, and empty files", (
  _,
  file,
) => {
  const cases: [string | Uint8Array, string][] = [
    ["", "line 1, column 1: there is no value"],
    ["{\n  x}", "line 2, column 3: there is no key in double quotes"],
    ['{"limits": 1}', '"limits" is 1: it has to be an object'],
    [new Uint8Array([0x22, 0xff, 0x22]), "it is no UTF-8: save it as that"],
  ];
  for (const [text, reason] of cases) {
    if (typeof text === "string") Deno.writeTextFileSync(file, text);
    else Deno.writeFileSync(file, text);
    assertEquals(reasonOf(file), reason);
  }
});

testAsRoot("readPolicy() refuses if anything else is wrong", (cage) => {
  const file = `${cage}/${"x".repeat(300)}`;
  const error = assertThrows(() => readPolicy(file), LaunchError);
  assertEquals([error.call, error.status], ["openat", 125]);
  assertEquals(
    error.message,
    `Cannot use policy "${file}": file name too long`,
  );
});

Deno.test("readPolicy() refuses a directory that everybody can write", () => {
  assertEquals(
    reasonOf("/tmp/policy.json"),
    'directory "/tmp" can be written by others than root: take that from ' +
      'them with "chmod go-w"',
  );
});
