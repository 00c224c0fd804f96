import { assertEquals } from "@std/assert";
import {
  type Attack,
  attack,
  directoriesOf,
  exists,
  fingerprint,
  launchArgs,
  layTraps,
  modeOf,
  type Person,
  plainLaunch,
  type Result,
} from "./support/mod.ts";

/** Starts `cage` from a script whose words after `sh` are the launch. */
async function launchFrom(
  t: Attack,
  script: string,
  person: Person = t.mallory,
): Promise<Result> {
  const words = ["/bin/sh", "-c", script, "sh", t.cageFile];
  return await t.run(person, [...words, ...await launchArgs(t)]);
}

const DESCRIPTORS = ["<&-", ">&-", "2>&-"];

attack("Closed standard descriptors are given to no file", async (t) => {
  await plainLaunch(t, t.mallory);
  // Every choice of the three. What would have been written is lost.
  for (let choice = 1; choice < 8; choice++) {
    const closed = DESCRIPTORS.filter((_, index) => choice >> index & 1);
    const script = `exec "$@" ${closed.join(" ")}`;
    const { stdout, stderr } = await launchFrom(t, script);
    if (closed.includes(">&-")) assertEquals(stdout, "");
    if (closed.includes("2>&-")) assertEquals(stderr, "");
  }
});

attack("Hundreds of open descriptors reach no one", async (t) => {
  const plain = await plainLaunch(t, t.mallory);
  const open = Array.from({ length: 7 }, (_, index) => `${index + 3}<"$HOME"`);
  const script = `exec "$@" ${open.join(" ")} `;
  assertEquals(await launchFrom(t, script), plain);
  const bash = ["/bin/bash", "-c"];
  const many = 'for n in {10..250}; do eval "exec $n</etc/passwd"; done\n' +
    'exec "$@"';
  const words = [...bash, many, "sh", t.cageFile, ...await launchArgs(t)];
  assertEquals(await t.run(t.mallory, words), plain);
  // The one that lists them is the next one.
  const list = ["--", "/bin/sh", "-c", "ls /proc/self/fd"];
  const args = (await launchArgs(t)).slice(0, -4);
  const listed = await t.run(t.mallory, [
    ...[...bash, many, "sh", t.cageFile, ...args, ...list],
  ]);
  assertEquals(listed.stdout, "0\n1\n2\n3\n");
});

attack("A directory full of configuration is not read", async (t) => {
  await layTraps(t.mallory.home);
  const plain = await plainLaunch(t, t.mallory);
  const home = await fingerprint(t.mallory.home);
  assertEquals(await launchFrom(t, 'cd "$HOME"; exec "$@"'), plain);
  const deep = 'cd "$HOME/node_modules/path"; exec "$@"';
  assertEquals(await launchFrom(t, deep), plain);
  assertEquals(await fingerprint(t.mallory.home), home);
});

attack("A directory that is gone or closed stops nothing", async (t) => {
  const plain = await plainLaunch(t, t.mallory);
  const gone = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"';
  assertEquals(await launchFrom(t, gone), plain);
  const replaced = 'mkdir x; cd x; rmdir ../x; ln -s /root ../x; exec "$@"';
  assertEquals(await launchFrom(t, replaced), plain);
  const closed = 'mkdir closed; cd closed; chmod 0 .; exec "$@"';
  assertEquals(await launchFrom(t, closed), plain);
  const long = Array(15).fill("x".repeat(250));
  const deep = long.map((name) => `mkdir ${name}; cd ${name}`).join("\n");
  assertEquals(await launchFrom(t, `${deep}\nexec "$@"`), plain);
});

const UMASKS = ["0000", "0777", "0022", "0277", "0007"];

attack("No umask opens or closes what is made", async (t) => {
  const plain = await plainLaunch(t, t.mallory);
  const seen = [];
  for (const umask of UMASKS) {
    assertEquals(await launchFrom(t, `umask ${umask}; exec "$@"`), plain);
    seen.push(directoriesOf(t.mallory.uid).filter(exists).map(modeOf));
  }
  assertEquals(seen, Array(UMASKS.length).fill(seen[0]));
  assertEquals(seen[0].every((mode) => /^07[05][05]$/.test(mode)), true);
});

attack("Ignored and blocked signals change nothing", async (t) => {
  const plain = await plainLaunch(t, t.mallory);
  const args = await launchArgs(t);
  for (const way of ["--ignore-signal", "--block-signal"]) {
    const words = ["env", way, t.cageFile, ...args];
    assertEquals(await t.run(t.mallory, words), plain, way);
  }
});

const SCHEDULING = [
  ["chrt", "--idle", "0"],
  ["nice", "-n", "19"],
  ["setsid", "--wait"],
  ["nohup"],
  ["setarch", "--addr-no-randomize"],
  ["setarch", "--addr-compat-layout", "--read-implies-exec"],
  ["setpriv", "--nnp"],
  ["unshare", "--user", "--map-root-user"],
  ["unshare", "--user", "--map-root-user", "--mount"],
];

attack("No way to be started gives a user more", async (t) => {
  const plain = await plainLaunch(t, t.mallory);
  for (const way of SCHEDULING) {
    const words = [...way, t.cageFile, ...await launchArgs(t, "id -u")];
    const { status, stdout, stderr } = await t.run(t.mallory, words);
    // Without the setuid bit in force it may do what any program may.
    const what = way.join(" ");
    if (status !== 0) assertEquals(stdout, "", what);
    assertEquals(/\n\s+at |panicked/.test(stderr), false, stderr);
  }
  assertEquals(await plainLaunch(t, t.mallory), plain);
});
