import { assertEquals } from "@std/assert";
import { AT_EMPTY_PATH } from "../../ffi/constants.ts";
import { close, open, statx } from "../../ffi/libc.ts";
import { Descriptors } from "../../src/descriptors.ts";
import { openConsole } from "../../src/sources.ts";

const isRoot = Deno.uid() === 0;
const why = isRoot ? "" : " (skipped: takes root)";

const ROOT = { standing: "root", uid: 0, gid: 0 } as const;

Deno.test(
  `openConsole() takes what is open, whatever its path leads to${why}`,
  {
    ignore: !isRoot,
  },
  () => {
    const directory = Deno.makeTempDirSync({ dir: "/var/tmp" });
    const node = `${directory}/null`;
    new Deno.Command("mknod", { args: [node, "c", "1", "3"] }).outputSync();
    const terminal = open(node, 0);
    try {
      using kept = new Descriptors();
      const number = (file: number) => statx(file, "", AT_EMPTY_PATH).ino;
      const find = () => {
        const console = openConsole({ ...ROOT, terminal }, kept);
        return typeof console === "number" ? number(console) : undefined;
      };
      assertEquals(find(), number(terminal));
      // The name that the kernel tells of what is gone.
      Deno.removeSync(node);
      Deno.writeTextFileSync(`${node} (deleted)`, "");
      const found = find();
      assertEquals(found === undefined || found === number(terminal), true);
    } finally {
      close(terminal);
      Deno.removeSync(directory, { recursive: true });
    }
  },
);

Deno.test("openConsole() takes nothing that is no terminal", () => {
  using kept = new Descriptors();
  const file = open("/proc/self/status", 0);
  assertEquals(openConsole({ ...ROOT, terminal: file }, kept), undefined);
  assertEquals(openConsole(ROOT, kept), undefined);
  close(file);
});
