/**
 * What a runtime obeys: files and variables that a hostile caller sets.
 *
 * @module
 */

/**
 * Lays files that a runtime, a loader or a library would obey; one that does
 * writes a file named `obeyed` beside them.
 *
 * @param home A directory of a user's.
 * @returns Variables that lead to them.
 */
export async function layTraps(
  home: string,
): Promise<Record<string, string>> {
  const evil = `require("node:fs").writeFileSync("${home}/obeyed", "")`;
  const files: Record<string, string> = {
    "evil.js": evil,
    "evil.cjs": evil,
    "evil.mjs": `import "./evil.cjs"`,
    "deno.json": `{"imports": {"node:fs": "./evil.mjs"}, "tasks": 3}`,
    "package.json": `{"name": 1, "scripts": {"preinstall": "./evil.js"}}`,
    ".npmrc": "registry=http://127.0.0.1:9/",
    ".env": `NODE_OPTIONS=--require=${home}/evil.cjs`,
    "node_modules/path/index.js": evil,
    ".cache/deno/evil": evil,
    "libc.so.6": "",
    "evil.so": "",
  };
  await Deno.mkdir(`${home}/node_modules/path`, { recursive: true });
  await Deno.mkdir(`${home}/.cache/deno`, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${home}/${name}`, text);
  }
  await Deno.mkdir(`${home}/writable`);
  await Deno.chmod(`${home}/writable`, 0o777);
  const writable = `${home}/writable`;
  return {
    DENO_AUDIT_PERMISSIONS: `${writable}/audit`,
    DENO_AUTH_TOKENS: "a@127.0.0.1",
    DENO_CERT: `${home}/evil.js`,
    DENO_COMPAT: "1",
    DENO_CONDITIONS: "evil",
    DENO_COVERAGE_DIR: `${writable}/coverage`,
    DENO_DIR: writable,
    DENO_FUTURE: "1",
    DENO_INSPECT: "127.0.0.1:9229",
    DENO_INTERNAL_CHILD_ENTRYPOINT: `file://${home}/evil.mjs`,
    DENO_LOG: "debug",
    DENO_NO_PACKAGE_JSON: "0",
    DENO_PERMISSION_BROKER_PATH: `${home}/evil.sock`,
    DENO_SERVE_ADDRESS: "tcp:127.0.0.1:9",
    DENO_TLS_CA_STORE: "system",
    DENO_TRACE_PERMISSIONS: "1",
    DENO_UNSTABLE_OTEL_DETERMINISTIC: "1",
    DENO_V8_FLAGS: "--help",
    GCONV_PATH: home,
    GLIBC_TUNABLES: "glibc.malloc.check=3:glibc.rtld.verbose=1",
    HOME: home,
    HTTPS_PROXY: "http://127.0.0.1:9",
    LANG: "evil",
    LD_AUDIT: `${home}/evil.so`,
    LD_BIND_NOW: "1",
    LD_DEBUG: "all",
    LD_DEBUG_OUTPUT: `${writable}/loader`,
    LD_LIBRARY_PATH: home,
    LD_PRELOAD: `${home}/evil.so`,
    LD_SHOW_AUXV: "1",
    LOCPATH: home,
    MALLOC_CHECK_: "3",
    NODE_CHANNEL_FD: "0",
    NODE_EXTRA_CA_CERTS: `${home}/evil.js`,
    NODE_OPTIONS: `--require=${home}/evil.cjs`,
    NODE_PATH: home,
    NODE_V8_COVERAGE: `${writable}/v8`,
    NPM_CONFIG_REGISTRY: "http://127.0.0.1:9/",
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: "console",
    PATH: `${home}:/usr/bin:/bin`,
    RUST_BACKTRACE: "full",
    RUST_LOG: "trace",
    SSLKEYLOGFILE: `${writable}/keys`,
    TMPDIR: writable,
    V8_FLAGS: "--help",
    XDG_CACHE_HOME: writable,
    XDG_CONFIG_HOME: writable,
    XDG_DATA_HOME: writable,
  };
}
