/**
 * Launches for `deno bench`: `deno bench launch_bench.ts -- TASKS`, where TASKS
 * is JSON, see {@linkcode Task}. Without it, there is nothing to measure.
 *
 * @module
 */

import { type ContainerSpec, launch } from "../../mod.ts";
import type { Task } from "./inside.ts";

/** Launches that do not count, while the program is compiled. */
const WARMING = 20;

const tasks: Task[] = JSON.parse(Deno.args[0] ?? "[]");

for (let count = 0; count < WARMING && tasks.length > 0; count++) {
  await run(tasks[0].spec);
}
const rows = Math.max(0, ...tasks.map(({ rows }) => rows));
for (let row = 0; row < rows; row++) {
  for (const task of tasks) if (row < task.rows) register(task);
}

function register({ name, spec, times, together }: Task): void {
  const specs = Array.from({ length: together }, (_, lane) => ({
    ...spec,
    name: `${spec.name}-${lane}`,
  }));
  Deno.bench({
    name,
    n: times,
    warmup: 0,
    fn: async () => {
      await Promise.all(specs.map(run));
    },
  });
}

async function run(spec: ContainerSpec): Promise<void> {
  const container = await launch(spec);
  const { code } = await container.status;
  if (code !== 0) throw new Error(`A command ended with ${code}`);
}
