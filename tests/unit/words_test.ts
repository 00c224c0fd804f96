import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import { splitWords } from "../../src/words.ts";

Deno.test("splitWords() spells every form of a value alike", () => {
  const forms = [
    ["-n", "web"],
    ["-nweb"],
    ["-n=web"],
    ["--name", "web"],
    ["--name=web"],
  ];
  for (const argv of forms) {
    assertEquals(splitWords(argv), { options: ["--name=web"], command: [] });
  }
});

Deno.test("splitWords() keeps a value with =, spaces and newlines whole", () => {
  const forms = [
    ["-e", "A=b=c d\ne"],
    ["-eA=b=c d\ne"],
    ["-e=A=b=c d\ne"],
    ["--env", "A=b=c d\ne"],
    ["--env=A=b=c d\ne"],
  ];
  for (const argv of forms) {
    assertEquals(splitWords(argv).options, ["--env=A=b=c d\ne"]);
  }
});

Deno.test("splitWords() takes off one = after a letter and no more", () => {
  assertEquals(splitWords(["-n==x"]).options, ["--name==x"]);
  assertEquals(splitWords(["-n", "=x"]).options, ["--name==x"]);
  assertEquals(splitWords(["--name==x"]).options, ["--name==x"]);
});

Deno.test("splitWords() takes letters of flags in a cluster", () => {
  assertEquals(splitWords(["-kn", "x"]).options, ["--kill", "--name=x"]);
  assertEquals(splitWords(["-knx"]).options, ["--kill", "--name=x"]);
  assertEquals(splitWords(["-khV"]).options, [
    "--kill",
    "--usage",
    "--version",
  ]);
});

Deno.test("splitWords() begins the command at the first other word", () => {
  assertEquals(splitWords(["-k", "ls", "-n", "--", "--bogus"]), {
    options: ["--kill"],
    command: ["ls", "-n", "--", "--bogus"],
  });
  assertEquals(splitWords(["", "-k"]).command, ["", "-k"]);
});

Deno.test("splitWords() ends the options at --", () => {
  assertEquals(splitWords(["-k", "--", "-n", "--", "x"]), {
    options: ["--kill"],
    command: ["-n", "--", "x"],
  });
  assertEquals(splitWords(["--"]), { options: [], command: [] });
});

Deno.test("splitWords() takes a single - as a word of the command", () => {
  assertEquals(splitWords(["-", "-k"]).command, ["-", "-k"]);
  assertEquals(splitWords(["-i", "-"]).options, ["--init-script=-"]);
});

Deno.test("splitWords() takes a value like an option only if attached", () => {
  assertEquals(splitWords(["-n=-k"]).options, ["--name=-k"]);
  assertEquals(splitWords(["-n-k"]).options, ["--name=-k"]);
  assertEquals(splitWords(["--name=--"]).options, ["--name=--"]);
});

Deno.test("splitWords() refuses words that it cannot read", () => {
  const unknown = (label: string, meant?: string) =>
    `Unknown option "${label}": ${
      meant === undefined ? "" : `did you mean --${meant}? `
    }cage -h lists the options`;
  const cases: [argv: string[], message: string][] = [
    [["--nmae", "x"], unknown("--nmae", "name")],
    [["--nmae=x"], unknown("--nmae", "name")],
    [["--nam"], unknown("--nam", "name")],
    [["--init"], unknown("--init", "init-script")],
    [["--no-kill"], unknown("--no-kill")],
    [["--=x"], unknown("--=x")],
    [["---name"], unknown("---name", "name")],
    [["--NAME=x"], unknown("--NAME")],
    [["--__proto__=x"], unknown("--__proto__")],
    [["--constructor"], unknown("--constructor")],
    [["--na.me=x"], unknown("--na.me", "name")],
    [["-Z"], unknown("-Z")],
    [["-x"], unknown("-x")],
    [["-1"], unknown("-1")],
    [["-kx"], unknown("-x")],
    [["-k-"], unknown("--")],
    [["-😀"], unknown("-😀")],
    [["-=x"], unknown("-=")],
    [["-n"], "Option -n needs a value: -n name"],
    [["-kn"], "Option -n needs a value: -n name"],
    [["--name"], "Option --name needs a value: --name name"],
    [["-n", ""], "Option -n has an empty value: -n name"],
    [["-n="], "Option -n has an empty value: -n name"],
    [["--name="], "Option --name has an empty value: --name name"],
    [
      ["-n", "-k"],
      'Option -n needs a value: "-k" looks like an option: ' +
      'write "-n=-k" if it is the value',
    ],
    [
      ["--name", "--", "ls"],
      'Option --name needs a value: "--" looks like an option: ' +
      'write "--name=--" if it is the value',
    ],
    [["--kill=yes"], "Option --kill takes no value: write --kill alone"],
    [["--kill="], "Option --kill takes no value: write --kill alone"],
    [["--no-init=1"], "Option --no-init takes no value: write --no-init alone"],
    [["-k=yes"], "Option -k takes no value: write -k alone"],
  ];
  for (const [argv, message] of cases) {
    const error = assertThrows(() => splitWords(argv), UsageError);
    assertEquals(error.message, message);
  }
});
