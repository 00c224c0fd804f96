import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import { parseFlags } from "../../src/flags.ts";
import type { ContainerSpec } from "../../src/spec.ts";
import { type Random, seeded } from "./seeded.ts";

function specOf(...argv: string[]): ContainerSpec {
  const invocation = parseFlags(argv);
  if (invocation.kind !== "run") throw new Error(`kind ${invocation.kind}`);
  return invocation.spec;
}

function messageOf(...argv: string[]): string {
  return assertThrows(() => parseFlags(argv), UsageError).message;
}

Deno.test("parseFlags() asks for a run of nothing in particular by default", () => {
  assertEquals(parseFlags([]), { kind: "run", spec: {} });
  assertEquals(parseFlags(["--"]), { kind: "run", spec: {} });
});

Deno.test("parseFlags() puts every option in its place", () => {
  const long = specOf(
    ...["--app-dir=/app", "--directory=/tmp", "--env=A=1", "--env=B="],
    ...["--group=a:b", "--init-script=/proc/self/fd/3", "--lower=/x:/y"],
    ...["--lower=/z", "--name=web", "--pid-file=/p", "--upper=/u"],
    ...["--user=alice:staff", "--volume=/a:/b:ro", "--volume=/c"],
    ...["--work-dir=/w", "--no-init", "ls", "-l"],
  );
  const short = specOf(
    ...["-a", "/app", "-c", "/tmp", "-e", "A=1", "-eB=", "-g", "a:b"],
    ...["-i", "/proc/self/fd/3", "-l", "/x:/y", "-l/z", "-nweb", "-p=/p"],
    ...["-U", "/u", "-u", "alice:staff", "-v", "/a:/b:ro", "-v/c", "-w/w"],
    ...["--no-init", "--", "ls", "-l"],
  );
  assertEquals(long, {
    name: "web",
    appDir: "/app",
    lower: ["/x", "/y", "/z"],
    upper: "/u",
    work: "/w",
    pidFile: "/p",
    user: "alice:staff",
    group: "a:b",
    directory: "/tmp",
    env: ["A=1", "B="],
    volumes: [
      { host: "/a", inside: "/b", readOnly: true },
      { host: "/c", inside: "/c", readOnly: false },
    ],
    initScript: "/proc/self/fd/3",
    init: false,
    command: ["ls", "-l"],
  });
  assertEquals(short, long);
});

Deno.test("parseFlags() leaves the command alone", () => {
  const commands = [
    ["ls", "-n", "x", "--kill", "--", "--no-init", "true", "0x10", "1e3"],
    ["-"],
    ["", ""],
    ["true"],
    ["007"],
  ];
  for (const command of commands) {
    assertEquals(specOf(...command), { command });
    assertEquals(specOf("--", ...command), { command });
    assertEquals(specOf("--ephemeral", ...command), {
      ephemeral: true,
      command,
    });
  }
  assertEquals(specOf("--", "-k", "--"), { command: ["-k", "--"] });
});

Deno.test("parseFlags() takes values for what they are: text", () => {
  for (const value of ["0", "007", "1e3", "true", "false", "__proto__"]) {
    assertEquals(specOf("-n", value), { name: value });
    assertEquals(specOf("-u", value), { user: value });
    assertEquals(specOf(`-n${value}`), { name: value });
  }
});

Deno.test("parseFlags() keeps values of -e whole", () => {
  for (const text of ["K=", "K==", "K=a=b", "K=a b\nc", "K=--", "K=😀"]) {
    assertEquals(specOf("-e", text), { env: [text] });
    assertEquals(specOf(`-e${text}`), { env: [text] });
    assertEquals(specOf(`-e=${text}`), { env: [text] });
    assertEquals(specOf(`--env=${text}`), { env: [text] });
  }
});

Deno.test("parseFlags() knows list, alone and for tools", () => {
  assertEquals(parseFlags(["--list"]), { kind: "list", isJson: false });
  assertEquals(parseFlags(["--json", "--list"]), {
    kind: "list",
    isJson: true,
  });
  for (const others of [["-n", "x"], ["-k"], ["--reset"], ["-u", "0"]]) {
    assertEquals(
      messageOf("--list", ...others),
      `Cannot use --list with ${others[0]}: --list only tells of instances, ` +
        "of all",
    );
  }
  assertEquals(
    messageOf("--list", "ls"),
    "Cannot use --list with a command: --list only tells of instances, of all",
  );
});

Deno.test("parseFlags() refuses options that go with another one, alone", () => {
  assertEquals(
    [
      messageOf("--json"),
      messageOf("--yes", "-k"),
      messageOf("--yes", "--list"),
    ],
    [
      "Cannot use --json alone: it goes with --explain, --list or --diff",
      "Cannot use --yes alone: it goes with --reset or --apply",
      "Cannot use --yes alone: it goes with --reset or --apply",
    ],
  );
});

Deno.test("parseFlags() knows that there is nothing to be asked", () => {
  const invocation = parseFlags(["--yes", "--reset"]);
  assertEquals(invocation.kind === "reset" && invocation.isSure, true);
});

Deno.test("parseFlags() knows check and reset", () => {
  assertEquals(parseFlags(["--check", "-n", "x"]), { kind: "check" });
  assertEquals(parseFlags(["--reset", "-n", "x"]), {
    kind: "reset",
    spec: { name: "x" },
    stops: false,
    isSure: false,
  });
  assertEquals(parseFlags(["-k", "--reset"]), {
    kind: "reset",
    spec: {},
    stops: true,
    isSure: false,
  });
  assertThrows(
    () => parseFlags(["--reset", "ls"]),
    UsageError,
    "Cannot use --reset with a command: --reset only throws away what was " +
      "changed",
  );
});

Deno.test("parseFlags() knows what root inside keeps", () => {
  assertEquals(parseFlags(["--privileged", "--no-new-privs"]), {
    kind: "run",
    spec: { noNewPrivs: true, privileged: true },
  });
});

Deno.test("parseFlags() knows what runs in the background", () => {
  for (const word of ["-d", "--detach"]) {
    assertEquals(parseFlags([word, "-n", "x", "ls", "-d"]), {
      kind: "run",
      spec: { name: "x", detached: true, command: ["ls", "-d"] },
    });
  }
  assertEquals(specOf("-dn", "x"), { name: "x", detached: true });
  assertThrows(
    () => parseFlags(["--reset", "-d"]),
    UsageError,
    "Cannot use --reset with -d: --reset only throws away what was changed",
  );
});

Deno.test("parseFlags() knows kill, help and version", () => {
  assertEquals(parseFlags(["-k"]), { kind: "kill", spec: {} });
  assertEquals(parseFlags(["-kn", "x"]), { kind: "kill", spec: { name: "x" } });
  assertEquals(parseFlags(["--kill", "-p/p"]), {
    kind: "kill",
    spec: { pidFile: "/p" },
  });
  assertEquals(parseFlags(["-n", "x", "--help", "ls"]), { kind: "help" });
  assertEquals(parseFlags(["-V"]), { kind: "version" });
  assertEquals(parseFlags(["-h"]), { kind: "usage" });
  assertEquals(parseFlags(["-Vh"]), { kind: "usage" });
  assertEquals(parseFlags(["-h", "--help"]), { kind: "help" });
  assertEquals(parseFlags(["--", "-h"]).kind, "run");
});

Deno.test("parseFlags() refuses -k with what is of a command", () => {
  const because = ": -k only stops an instance";
  const cases = [
    [["-k", "ls"], "a command"],
    [["-k", "--", "ls"], "a command"],
    [["-k", "-i", "x"], "-i"],
    [["-eA=1", "-k"], "-e"],
    [["-k", "-v/a"], "-v"],
    [["-k", "-u0"], "-u"],
    [["-k", "-g0"], "-g"],
    [["-k", "-c/", "ls"], "-c"],
    [["-k", "-d"], "-d"],
    [["-k", "--no-init"], "--no-init"],
  ] as const;
  for (const [argv, other] of cases) {
    assertEquals(messageOf(...argv), `Cannot use -k with ${other}${because}`);
  }
});

Deno.test("parseFlags() refuses --ephemeral with a place to keep files", () => {
  for (const option of ["-U", "-w", "-a"]) {
    assertEquals(
      messageOf("--ephemeral", option, "/x"),
      `Cannot use --ephemeral with ${option}: the upper directory of an ` +
        "ephemeral instance is in memory: leave one of them out",
    );
  }
  assertEquals(specOf("--ephemeral", "-l/x", "-nx"), {
    name: "x",
    lower: ["/x"],
    ephemeral: true,
  });
});

Deno.test("parseFlags() refuses two values where there is one", () => {
  assertEquals(
    messageOf("-n", "a", "--name=b"),
    'Option -n is given twice, as "a" and "b": an instance has one name',
  );
  assertEquals(
    messageOf("-na", "-na", "-nb"),
    'Option -n is given twice, as "a" and "b": an instance has one name',
  );
  assertEquals(
    messageOf("-g1", "-g2"),
    'Option -g is given twice, as "1" and "2": ' +
      "multiple groups are separated by colon",
  );
  for (const letter of "acginpUuw") {
    const message = messageOf(`-${letter}1`, `-${letter}2`);
    assertEquals(message.startsWith(`Option -${letter} is given twice`), true);
  }
});

Deno.test("parseFlags() takes the same value twice as one", () => {
  assertEquals(specOf("-n", "a", "--name=a"), { name: "a" });
});

Deno.test("parseFlags() refuses malformed values before anything is done", () => {
  const cases: [argv: string[], message: string][] = [
    [
      ["--nmae"],
      'Unknown option "--nmae": did you mean --name? cage -h lists the options',
    ],
    [["--pear"], 'Unknown option "--pear": cage -h lists the options'],
    [["-Z"], 'Unknown option "-Z": cage -h lists the options'],
    [["-n"], "Option -n needs a value: -n name"],
    [["-n", ""], "Option -n has an empty value: -n name"],
    [
      ["-n", "a/b"],
      'Cannot use "a/b" as a name: it contains "/": ' +
      'letters, digits, "-", "_" and "." make a good name',
    ],
    [
      ["-k", "-n", "a\nb"],
      'Cannot use "a\\x0ab" as a name: it contains a control character: ' +
      'letters, digits, "-", "_" and "." make a good name',
    ],
    [
      ["-e", "FOO"],
      'Cannot set environment variable "FOO": it has no "=": write -e key=value',
    ],
    [
      ["-u", "alice:"],
      'Cannot use user "alice:": a part of it is empty: ' +
      "write -u user:group:group",
    ],
    [
      ["-g", "4294967295"],
      'Cannot use id "4294967295": it is out of range: ' +
      "ids go from 0 to 4294967294",
    ],
    [
      ["-l", "/a::/b"],
      'Cannot use lower directory "/a::/b": an element is empty: ' +
      'write top:bottom, and "\\:" for a colon in a path',
    ],
    [
      ["-v", "/a:b"],
      'Cannot map volume "/a:b": the path inside, "b", is not absolute: ' +
      'write HOST, HOST:INSIDE or HOST:INSIDE:ro, and "\\:" for a colon in a ' +
      "path",
    ],
  ];
  for (const [argv, message] of cases) {
    assertEquals(messageOf(...argv), message);
  }
});

Deno.test("parseFlags() gives back any spec in any spelling", () => {
  const random = seeded(5);
  for (let round = 0; round < 2000; round++) {
    const spec = randomSpec(random);
    const argv = spell(spec, random);
    assertEquals(parseFlags(argv), { kind: "run", spec }, argv.join(" "));
  }
});

Deno.test("parseFlags() gives a sentence or a result for any words", () => {
  const random = seeded(6);
  const word = () =>
    random.below(3) === 0
      ? `--${random.pick(["name", "env", "no-init", "no-", "kill", "."])}` +
        random.pick(["", "=", "=x", "=A=b"])
      : random.text("-=knehv:/.A1 \n\0\\ü", 5);
  for (let round = 0; round < 5000; round++) {
    const argv = random.list(5, word);
    try {
      parseFlags(argv);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      assertEquals(/^[A-Z]\P{Cc}*[^.]$/u.test(error.message), true);
    }
  }
});

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const ODD = "aZ0=-:\\/. ,\n\"'$ü😀";

function randomSpec(random: Random): ContainerSpec {
  const spec: Writable<ContainerSpec> = {};
  const maybe = (act: () => void) => random.below(2) === 0 && act();
  const path = () => `/${random.text(ODD, 8)}x`;
  const inside = () => `/x${random.text("aZ0=-:\\ ,\nü😀", 8)}`;
  const some = <T>(make: () => T) => [make(), ...random.list(2, make)];
  maybe(() => spec.name = random.text("aZ0-_=ü😀", 8));
  maybe(() => spec.detached = true);
  maybe(() => spec.ephemeral = true);
  if (!spec.ephemeral) {
    maybe(() => spec.appDir = path());
    maybe(() => spec.upper = path());
    maybe(() => spec.work = path());
  }
  maybe(() => spec.lower = some(path));
  maybe(() => spec.pidFile = path());
  maybe(() => spec.user = random.text("abc", 4));
  maybe(() => spec.group = some(() => random.text("a1", 3)).join(":"));
  maybe(() => spec.directory = path());
  maybe(() => spec.env = some(() => `K${random.text(ODD, 4)}=${path()}`));
  maybe(() =>
    spec.volumes = some(() => ({
      host: path(),
      inside: inside(),
      readOnly: random.pick([true, false]),
    }))
  );
  maybe(() => spec.initScript = path());
  maybe(() => spec.init = false);
  maybe(() => spec.command = some(() => random.text(ODD, 6)));
  return spec;
}

function spell(spec: ContainerSpec, random: Random): string[] {
  const values = (long: string, short: string, given: readonly string[] = []) =>
    given.flatMap((value) => spellValue(long, short, value, random));
  const one = (long: string, short: string, value?: string) =>
    values(long, short, value === undefined ? [] : [value]);
  const volumes = spec.volumes?.map(({ host, inside, readOnly }) =>
    [escapePart(host), escapePart(inside), ...(readOnly ? ["ro"] : [])]
      .join(":")
  );
  return [
    ...one("name", "n", spec.name),
    ...one("app-dir", "a", spec.appDir),
    ...values("lower", "l", spellLayers(spec.lower, random)),
    ...one("upper", "U", spec.upper),
    ...one("work-dir", "w", spec.work),
    ...(spec.detached ? [random.pick(["-d", "--detach"])] : []),
    ...(spec.ephemeral ? ["--ephemeral"] : []),
    ...one("pid-file", "p", spec.pidFile),
    ...one("user", "u", spec.user),
    ...one("group", "g", spec.group),
    ...(spec.init === false ? ["--no-init"] : []),
    ...one("directory", "c", spec.directory),
    ...values("env", "e", spec.env),
    ...values("volume", "v", volumes),
    ...one("init-script", "i", spec.initScript),
    ...spellCommand(spec.command, random),
  ];
}

function spellValue(
  long: string,
  short: string,
  value: string,
  random: Random,
): string[] {
  const attached = [
    [`-${short}=${value}`],
    [`--${long}=${value}`],
    ...(value.startsWith("=") ? [] : [[`-${short}${value}`]]),
  ];
  const separate = [[`-${short}`, value], [`--${long}`, value]];
  const likeOption = value.length > 1 && value.startsWith("-");
  return random.pick(likeOption ? attached : [...attached, ...separate]);
}

function spellLayers(
  layers: readonly string[] | undefined,
  random: Random,
): string[] | undefined {
  const escaped = layers?.map(escapePart);
  return random.below(2) === 0 ? escaped : escaped && [escaped.join(":")];
}

function spellCommand(
  command: readonly string[] | undefined,
  random: Random,
): string[] {
  if (command === undefined) return random.pick([[], ["--"]]);
  const bare = !command[0].startsWith("-") && random.below(2) === 0;
  return bare ? [...command] : ["--", ...command];
}

function escapePart(part: string): string {
  return part.replace(/[:\\]/g, "\\$&");
}

Deno.test("parseFlags() compiles what it would run", () => {
  assertEquals(parseFlags(["--compile", "f", "-n", "web", "--", "ls", "-l"]), {
    kind: "compile",
    file: "f",
    spec: { name: "web", command: ["ls", "-l"] },
  });
  for (const option of ["-k", "--reset", "--list"]) {
    assertEquals(
      messageOf("--compile", "f", option),
      `Cannot use --compile with ${option}: it is about what runs a command`,
    );
  }
  for (const option of ["-G", "-d", "--debug", "--explain"]) {
    const message = messageOf("--compile", "f", option, "ls");
    assertEquals(message.split(": ")[0], `Cannot use --compile with ${option}`);
  }
});

Deno.test("parseFlags() takes one word alone for a program to be explained", () => {
  const call = { kind: "explain", isJson: false } as const;
  const spec = { command: ["f"] };
  assertEquals(parseFlags(["--explain", "f"]), { ...call, spec, file: "f" });
  assertEquals(parseFlags(["--explain", "--", "f"]), { ...call, spec });
  assertEquals(parseFlags(["--explain", "-nx", "f"]), {
    ...{ ...call, spec: { ...spec, name: "x" } },
  });
  assertEquals(parseFlags(["--explain", "f", "g"]), {
    ...{ ...call, spec: { command: ["f", "g"] } },
  });
});

Deno.test("parseFlags() takes --explain with a command, and with =json", () => {
  const spec = { name: "web", command: ["ls"] };
  assertEquals(parseFlags(["--explain", "-nweb", "ls"]), {
    ...{ kind: "explain", isJson: false, spec },
  });
  const json = { kind: "explain", isJson: true, spec } as const;
  assertEquals(parseFlags(["--explain=json", "-nweb", "ls"]), json);
  assertEquals(parseFlags(["--json", "-nweb", "--explain", "ls"]), json);
});

Deno.test("parseFlags() refuses --explain where no command runs", () => {
  for (const other of ["-k", "--reset"]) {
    assertThrows(() => parseFlags(["--explain", other]), UsageError, other);
  }
  assertThrows(() => parseFlags(["--json"]), UsageError, "--explain");
  assertThrows(() => parseFlags(["--explain=x"]), UsageError, "=json");
});

Deno.test("parseFlags() takes the words after --diff and --apply for paths", () => {
  assertEquals(parseFlags(["-n", "web", "--diff", "--stat", "/etc", "x"]), {
    kind: "diff",
    spec: { name: "web" },
    wish: {
      ...{ paths: ["/etc", "x"], isStat: true, isPatch: false, isJson: false },
    },
  });
  assertEquals(parseFlags(["--apply", "--to", "/srv", "--yes", "--", "-x"]), {
    kind: "apply",
    spec: {},
    wish: { paths: ["-x"], to: "/srv", isSure: true, isForced: false },
  });
});
