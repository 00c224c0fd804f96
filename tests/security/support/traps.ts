/**
 * A home that is full of traps.
 *
 * @module
 */

import { layTraps, run } from "../../e2e/support/mod.ts";
import type { Person } from "./people.ts";

/** Beside those of the probe: more places to look, more that is told. */
const MORE: Readonly<Record<string, string>> = {
  ALL_PROXY: "http://127.0.0.1:9",
  BASH_ENV: "./evil.sh",
  CAGE_SIGNALS: "ffffffffffffffff",
  DENO_EMIT_CACHE_MODE: "read-write",
  DENO_INSTALL_ROOT: ".",
  DENO_NODE_SHIM_ACTIVE: "0",
  DENO_TEST: "1",
  DENO_UNSTABLE_OTEL_DETERMINISTIC: "1",
  DENO_USE_CGROUPS: "1",
  ENV: "./evil.sh",
  FORCE_COLOR: "3",
  GETCONF_DIR: ".",
  HOSTALIASES: "./evil",
  LANGUAGE: "../../evil",
  LC_ALL: "../../evil",
  LD_ORIGIN_PATH: ".",
  LD_PROFILE: "libc.so.6",
  LD_PROFILE_OUTPUT: ".",
  LD_USE_LOAD_BIAS: "1",
  LOCALDOMAIN: "evil",
  MALLOC_TRACE: "./trace",
  NIS_PATH: ".",
  NLSPATH: "./%N",
  NODE_DEBUG: "*",
  NODE_REPL_HISTORY: "./history",
  NODE_TLS_REJECT_UNAUTHORIZED: "0",
  NODE_V8_COVERAGE: "./coverage",
  NO_COLOR: "",
  OTEL_SDK_DISABLED: "false",
  PYTHONPATH: ".",
  RESOLV_HOST_CONF: "./evil",
  RES_OPTIONS: "debug",
  SSL_CERT_DIR: ".",
  SSL_CERT_FILE: "./evil.js",
  TERMINFO: ".",
  TMP: ".",
  TEMP: ".",
  TZ: ":../../evil",
  TZDIR: ".",
  V8_OPTIONS: "--help",
  http_proxy: "http://127.0.0.1:9",
  https_proxy: "http://127.0.0.1:9",
  no_proxy: "",
};

/**
 * Lays traps at home, all of them the user's own.
 *
 * @param person The user.
 * @returns Variables that lead to them.
 */
export async function trapsOf(person: Person): Promise<Record<string, string>> {
  const env = { ...await layTraps(person.home), ...MORE };
  const evil = `#!/bin/sh\ntouch "${person.home}/obeyed"\n`;
  for (const name of ["evil.sh", "sh", "mount", "mke2fs", "newuidmap"]) {
    await Deno.writeTextFile(`${person.home}/${name}`, evil, { mode: 0o755 });
    await Deno.chmod(`${person.home}/${name}`, 0o755);
  }
  await run(["chown", "-R", `${person.uid}:${person.uid}`, person.home]);
  return env;
}
