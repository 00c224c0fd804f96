/**
 * A program that keeps many containers running: `crowd.ts ORDERS`, where ORDERS
 * is JSON, see {@linkcode Orders}. It reads counts, one a line, launches until
 * so many run, and answers each with a line of JSON, see {@linkcode Answer}.
 * All ends with its standard input.
 *
 * @module
 */

import { type Container, type ContainerSpec, launch } from "../../mod.ts";

/** How containers are launched. */
export type Orders =
  | { readonly spec: ContainerSpec }
  | { readonly words: readonly string[] };

/** What it tells when so many run. */
export interface Answer {
  /** How each launch since the last answer took, in milliseconds. */
  readonly launches: readonly number[];
  /** How many descriptors it has open. */
  readonly descriptors: number;
}

const orders: Orders = JSON.parse(Deno.args[0]);
const containers: Container[] = [];
let running = 0;

/** Gives how long it took, if that is a launch and not only its beginning. */
async function start(): Promise<number[]> {
  running++;
  if ("words" in orders) {
    const [program, ...args] = orders.words;
    new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    return [];
  }
  const spec = { ...orders.spec, name: `${orders.spec.name}-${running}` };
  const begin = performance.now();
  const container = await launch(spec, { stdin: "null" });
  const time = performance.now() - begin;
  containers.push(container);
  return [time];
}

async function growTo(count: number): Promise<Answer> {
  const launches: number[] = [];
  while (running < count) launches.push(...await start());
  // One of them is there for this look alone.
  const descriptors = [...Deno.readDirSync("/proc/self/fd")].length - 1;
  return { launches, descriptors };
}

let rest = "";
for await (
  const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())
) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    console.log(JSON.stringify(await growTo(Number(line))));
  }
}
for (const container of containers) container.kill("SIGKILL");
await Promise.all(containers.map(({ status }) => status));
Deno.exit();
