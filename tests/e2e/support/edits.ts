/**
 * Random changes of a small tree, as a script for the shell of busybox.
 *
 * @module
 */

import { seeded } from "../../unit/seeded.ts";
import { busybox } from "./roots.ts";
import { asRootInside, hasRanges, isRootless } from "./mode.ts";
import { output } from "./process.ts";

/** Names, as words of a shell: what can be in one, and what cannot be read. */
const NAMES = [
  ...["a", "b", "c", "d1", "d2", "'sp ace'", "ünï", "$'new\\nline'"],
  ...["$'bad\\377\\200'", "-dash", "'q\"uote\\back'"],
];

/** Makes the lower tree: everything that a file can be. */
const LOWER = `
set -e
mkdir -p data/d1/d2 data/d2 data/b/d1 bin
for n in data/a data/c data/d1/a data/d1/d2/a data/d2/c data/b/d1/b; do
  echo "$n" >"$n"
done
ln data/a data/d2/linked; ln data/c data/d1/c
ln -s a data/d1/b; ln -s /nowhere data/d2/a
mkfifo data/d2/b
truncate -s 300000 data/d1/d2/c; echo end >>data/d1/d2/c
setfattr -n user.one -v 1 data/c; setfattr -n user.dir -v 1 data/d1
chmod 4755 data/d1/a; chmod 1777 data/d2; chmod 700 data/b/d1
printf x >"data/$(printf 'bad\\377\\200')"
`;

/**
 * Makes the lower directory of random changes.
 *
 * @param path Where; the directory is made.
 */
export async function makeLower(path: string): Promise<void> {
  await output([
    ...[...asRootInside(), "sh", "-c", `mkdir "$1"; cd "$1"; ${LOWER}`],
    ...["sh", path],
  ]);
  await Deno.copyFile(busybox(), `${path}/bin/busybox`);
  await Deno.symlink("busybox", `${path}/bin/sh`);
}

/**
 * Makes a script that changes the tree.
 *
 * @param seed The same seed makes the same script.
 * @returns The script.
 */
export function editScript(seed: number): string {
  const random = seeded(seed);
  // Mostly what is there.
  const name = () =>
    random.pick(random.below(5) > 0 ? NAMES.slice(0, 5) : NAMES);
  const path = () =>
    ["/data", ...Array.from({ length: random.below(3) + 1 }, name)].join("/");
  // A FIFO would wait for somebody who reads.
  const write = (command: string) => {
    const at = path();
    return `[ -p ${at} ] || ${command}${at}`;
  };
  const number = (below: number) => random.below(below);
  const mode = () =>
    random.pick(["600", "644", "755", "4755", "2711", "1777", "000"]);
  const owners = isRootless && !hasRanges ? ["0:0"] : ["0:0", "1:2", "1000:7"];
  const made: (() => string)[] = [
    () => write(`echo ${number(100)} >`),
    () => write("echo more >>"),
    () => `rm -f ${path()}`,
    () => `rm -rf ${path()}`,
    () => `mkdir -p ${path()}`,
    () => `mv -f ${path()} ${path()}`,
    () => `mv -T ${path()} ${path()}`,
    () => {
      const [from, to] = [path(), path()];
      const below = `${to}/${from.split("/").at(-1)}`;
      return `[ -p ${to} ] || [ -p ${below} ] || cp -a ${from} ${to}`;
    },
    () => `ln -f ${path()} ${path()}`,
    () => `ln -sf t${number(9)} ${path()}`,
    () => `chmod ${mode()} ${path()}`,
    () => `chown -h ${random.pick(owners)} ${path()}`,
    () => `touch -d @${1e9 + number(9)} ${path()}`,
    () => `mkfifo ${path()}`,
    () => write(`truncate -s ${number(9) * 100_000} `),
    () => {
      const at = path();
      return `rm -rf ${at}; mkdir ${at}; echo ${number(9)} >${at}/new`;
    },
    () => {
      const at = path();
      return `rm -rf ${at}; echo ${number(9)} >${at}`;
    },
    ...(isRootless
      ? []
      : [() => `mknod ${path()} c ${number(300)} ${number(300)}`]),
  ];
  const count = 1 + random.below(40);
  const lines = Array.from({ length: count }, () => random.pick(made)());
  const applets = "rm mkdir mv cp ln chmod chown touch mkfifo truncate mknod"
    .split(" ").map((applet) => `${applet}() { /bin/busybox ${applet} "$@"; }`);
  return [...applets, "exec 2>/dev/null", ...lines, "true"].join("\n");
}
