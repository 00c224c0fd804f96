/**
 * Programs without their labels: a step that does nothing but to be gone to is
 * left out, and the next one is gone to instead.
 *
 * @module
 */

import type { CompiledStep } from "./compiled_step.ts";

/**
 * Leaves labels out.
 *
 * @param steps The steps.
 * @returns The steps that do something.
 *
 * @example A label before a step that has a name
 * ```ts
 * import { withoutLabels } from "cage/src/compiled_labels.ts";
 * import { goTo, label } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const end = { name: "exit", call: "exit_group", args: [0] } as const;
 * const steps = withoutLabels([goTo("end"), label("end"), end]);
 * assertEquals(steps, [goTo("exit"), end]);
 * ```
 */
export function withoutLabels(
  steps: readonly CompiledStep[],
): CompiledStep[] {
  const names = new Map<string, string>();
  const kept: CompiledStep[] = [];
  let pending: string[] = [];
  steps.forEach((step, index) => {
    if (isLabel(step) && index < steps.length - 1) {
      pending.push(step.name!);
      return;
    }
    const name = step.name ?? pending.at(0);
    pending.forEach((label) => names.set(label, name!));
    pending = [];
    kept.push(name === undefined ? step : { ...step, name });
  });
  const target = (name: string) => names.get(name) ?? name;
  return kept.map(({ ifZero, onError, ...step }) => ({
    ...step,
    ...(ifZero === undefined ? {} : { ifZero: target(ifZero) }),
    ...(onError === undefined ? {} : {
      onError: onError.goto === undefined
        ? onError
        : { ...onError, goto: target(onError.goto) },
    }),
  }));
}

/** The result of such a step is nobody's. */
function isLabel({ args, call, ifZero, name }: CompiledStep): boolean {
  const [cell, more] = args;
  return call === "load" && ifZero === undefined && name !== undefined &&
    more === 0 && typeof cell === "object" && "buffer" in cell &&
    typeof cell.buffer === "string" && /(^|-)zero$/.test(cell.buffer);
}
