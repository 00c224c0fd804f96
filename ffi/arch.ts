/**
 * The architectures that programs are made for.
 *
 * @module
 */

/** An architecture, as `Deno.build.arch` spells it. */
export type Arch = "x86_64" | "aarch64";

/** All of them. */
export const ARCHES: readonly Arch[] = ["x86_64", "aarch64"];

/** The architecture of this process. */
export const HOST_ARCH: Arch = Deno.build.arch;
