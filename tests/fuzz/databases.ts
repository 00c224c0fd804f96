/**
 * Files of users and groups that somebody wrote who means harm.
 *
 * @module
 */

import type { Random } from "../unit/seeded.ts";
import { mutated, oddWord } from "./values.ts";

const LINES = [
  ...["root:x:0:0:root:/root:/bin/sh", "alice:x:1000:1000::/home/alice:"],
  ...["alice:x:0:0::relative:relative", "bare:x:1001:1001:::", "+::::::", "#"],
  ...["::0:0:::", "0:x:7:7::/:/bin/sh", "big:x:4294967295:0::/:/bin/sh"],
  ...["neg:x:-1:0::/:/bin/sh", "hex:x:0x0:0::/:", "alice:x:1000:1000", ":::"],
  ...["audio:x:29:alice,bob,,alice", "root:x:0:", "staff:x:50:root,root"],
  ...["same:x:0:0::/a\x1b[2J:/bin/sh\r", "same:x:99999999999999999999:0:::"],
];

/**
 * Makes the text of an `/etc/passwd` or an `/etc/group`.
 *
 * @param random What chooses.
 * @returns The text.
 */
export function database(random: Random): string {
  const line = () => {
    switch (random.below(4)) {
      case 0:
        return mutated(random, random.pick(LINES));
      case 1:
        return random.list(8, () => oddWord(random)).join(":");
      default:
        return random.pick(LINES);
    }
  };
  return random.list(12, line).join(random.pick(["\n", "\n", "\r\n", "\0"])) +
    random.pick(["", "\n"]);
}
