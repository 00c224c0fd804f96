/**
 * What is agreed on in this project beyond format, lint, types and docs.
 *
 * @module
 */

import { join } from "@std/path";
import { type Import, importsOf, lineAt, withoutComments } from "./imports.ts";

/** Modules of `src/` that act. All others only compute. */
export const ACTING: readonly string[] = [
  "src/add_graphics.ts",
  "src/apply.ts",
  "src/arguments.ts",
  "src/as_caller.ts",
  "src/as_job.ts",
  "src/ask.ts",
  "src/attachment.ts",
  "src/become_caller.ts",
  "src/capabilities.ts",
  "src/change_sources.ts",
  "src/changed_cage.ts",
  "src/check.ts",
  "src/child.ts",
  "src/client.ts",
  "src/compile.ts",
  "src/copy_content.ts",
  "src/descriptors.ts",
  "src/detach.ts",
  "src/diff.ts",
  "src/directories.ts",
  "src/drive.ts",
  "src/explain_call.ts",
  "src/explain_file.ts",
  "src/export.ts",
  "src/find_composition.ts",
  "src/find_facts.ts",
  "src/find_fuse.ts",
  "src/find_graphics.ts",
  "src/find_instances.ts",
  "src/find_looks.ts",
  "src/find_kept_lower.ts",
  "src/find_program.ts",
  "src/find_userns.ts",
  "src/finders.ts",
  "src/foreseen.ts",
  "src/helper.ts",
  "src/host.ts",
  "src/image.ts",
  "src/instance_files.ts",
  "src/instance_owners.ts",
  "src/instances.ts",
  "src/launcher.ts",
  "src/layer_view.ts",
  "src/library.ts",
  "src/list.ts",
  "src/location.ts",
  "src/lock_later.ts",
  "src/lock_now.ts",
  "src/make_directories.ts",
  "src/map_helper.ts",
  "src/measure.ts",
  "src/mount_fuse.ts",
  "src/names_in.ts",
  "src/note_signals.ts",
  "src/open_child.ts",
  "src/output.ts",
  "src/own_ids.ts",
  "src/pipe.ts",
  "src/pipe_streams.ts",
  "src/policy_file.ts",
  "src/privilege.ts",
  "src/process_state.ts",
  "src/progress.ts",
  "src/quiet_start.ts",
  "src/reactor.ts",
  "src/read_users.ts",
  "src/record_file.ts",
  "src/reset.ts",
  "src/running.ts",
  "src/said.ts",
  "src/script_file.ts",
  "src/session_bus.ts",
  "src/signal.ts",
  "src/slots.ts",
  "src/sources.ts",
  "src/stdio.ts",
  "src/subid_files.ts",
  "src/supervise.ts",
  "src/take_graphics.ts",
  "src/target_tree.ts",
  "src/trace.ts",
  "src/try_rootless.ts",
  "src/upper_files.ts",
  "src/user_namespace.ts",
  "src/walk_changes.ts",
  "src/walk_merged.ts",
  "src/write_maps.ts",
];

/** The texts of files by their paths in the project. */
export type Files = ReadonlyMap<string, string>;

/** Something that is not as agreed. */
export interface Fault {
  /** The path of the file. */
  readonly path: string;
  /** The line, from 1. */
  readonly line: number;
  /** The sentence. */
  readonly text: string;
}

/**
 * Looks for what is not as agreed.
 *
 * @param files All files of the project.
 * @returns What was found, by path and line.
 */
export function faultsOf(files: Files): Fault[] {
  const rules = [
    faultsOfText,
    faultsOfModules,
    faultsOfDirection,
    faultsOfComputing,
    faultsOfStandIns,
  ];
  return rules.flatMap((rule) => rule(files)).sort((a, b) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line
  );
}

const FORBIDDEN: [RegExp, string][] = [
  [
    /(?<![\w.$}~*-])\/(?:work\/|opt\/deno\/|root\/\.(?:cache|deno|local|npm))\w*/g,
    "Cannot keep a path of one machine: find it from the checkout, or make " +
    "a directory for it",
  ],
  [
    /\b(?:registry\.npmjs\.org|jsr\.io|deno\.land|deb\.debian\.org|pypi\.org)\b/g,
    "Cannot keep the host of a registry: name the registry, as its client does",
  ],
];

function faultsOfText(files: Files): Fault[] {
  return [...files].flatMap(([path, text]) =>
    FORBIDDEN.flatMap(([pattern, sentence]) =>
      [...text.matchAll(pattern)].map(({ 0: found, index }) => ({
        path,
        line: lineAt(text, index),
        text: `${sentence}: "${found}"`,
      }))
    )
  );
}

const isCode = (path: string) => path.endsWith(".ts");
const isSource = (path: string) => /^(src|ffi)\//.test(path) && isCode(path);
const isEntry = (path: string) => path === "main.ts" || path === "mod.ts";
const isProduct = (path: string) => isSource(path) || isEntry(path);
const computes = (path: string) =>
  /^src\//.test(path) && isCode(path) && !ACTING.includes(path);

function faultsOfModules(files: Files): Fault[] {
  return [...files].flatMap(([path, text]) => {
    if (!isProduct(path) || /^\/\*\*[^]*?^ \* @module$/m.test(text)) return [];
    const sentence = "Cannot find what the module is for: begin with " +
      "a comment that ends with @module";
    return [{ path, line: 1, text: sentence }];
  });
}

function faultsOfDirection(files: Files): Fault[] {
  return [...files].flatMap(([path, text]) => {
    if (!isProduct(path)) return [];
    return importsOf(withoutComments(text)).flatMap((found) => {
      const why = refusal(path, found.from);
      return why ? [{ path, line: found.line, text: why }] : [];
    });
  });
}

/** Why a module of the product may not import another one. */
function refusal(path: string, from: string): string | undefined {
  const cannot = `Cannot import "${from}"`;
  if (from.startsWith("node:")) {
    return `${cannot}: loading any node: module about doubles the time that ` +
      "the program takes to start: use @std or Deno";
  }
  if (from.startsWith("cage/")) {
    return `${cannot}: only examples know that name: write a relative path`;
  }
  if (!from.startsWith(".")) return;
  const target = resolve(path, from);
  const rooms = isEntry(path)
    ? /^(main\.ts|src\/|ffi\/|deno\.json)/
    : path.startsWith("src/")
    ? /^(src\/|ffi\/|deno\.json)/
    : /^ffi\//;
  if (rooms.test(target)) return;
  return `${cannot}: imports go one way, from main.ts and mod.ts to src/ to ` +
    "ffi/, and to nothing else";
}

function resolve(path: string, from: string): string {
  return join(path, "..", from);
}

const ACTS = /\bDeno\.(?!build\b)\w+|from "@std\/fs/;

function faultsOfComputing(files: Files): Fault[] {
  return [...files].flatMap(([path, text]) => {
    if (!computes(path)) return [];
    const code = withoutComments(text);
    const uses = [...code.matchAll(/\bDeno\b[.[]\w+|\bglobalThis\b|= Deno\b/g)]
      .map(({ 0: found, index }) => ({
        path,
        line: lineAt(code, index),
        text: `Cannot use "${found}" in a module that only computes: ` +
          "move it to one that acts (ACTING in .ci/conventions.ts)",
      }));
    return [...uses, ...faultsOfReach(files, path)];
  });
}

/** A module does not only compute if one acts that it imports. */
function faultsOfReach(files: Files, path: string): Fault[] {
  return valuesOf(files, path).flatMap(({ from, line }) => {
    const target = from.startsWith(".") ? resolve(path, from) : from;
    const acting = actingFrom(files, target, new Set([path]));
    if (acting === undefined) return [];
    return [{
      path,
      line,
      text: `Cannot import "${from}" in a module that only computes: ` +
        `"${acting}" acts: import its types only, or take what it gives as ` +
        "an argument",
    }];
  });
}

function valuesOf(files: Files, path: string): Import[] {
  return importsOf(withoutComments(files.get(path) ?? ""))
    .filter(({ isType }) => !isType);
}

function actingFrom(
  files: Files,
  path: string,
  seen: Set<string>,
): string | undefined {
  if (path.startsWith("@std/fs") || ACTING.includes(path)) return path;
  if (seen.has(path) || !files.has(path)) return;
  seen.add(path);
  if (ACTS.test(withoutComments(files.get(path) ?? ""))) return path;
  for (const { from } of valuesOf(files, path)) {
    const target = from.startsWith(".") ? resolve(path, from) : from;
    const acting = actingFrom(files, target, seen);
    if (acting !== undefined) return acting;
  }
}

const OFFLINE = ".ci/offline/";

function faultsOfStandIns(files: Files): Fault[] {
  const map = files.get(`${OFFLINE}import_map.json`) ?? '{"imports":{}}';
  const { imports } = JSON.parse(map);
  return [...files].filter(([path]) => isCode(path)).flatMap(([path, text]) =>
    importsOf(text)
      .filter(({ from }) => from.startsWith("@std/"))
      .flatMap((found) => missing(files, imports, path, found))
  );
}

function missing(
  files: Files,
  imports: Record<string, string>,
  path: string,
  { from, names, line }: Import,
): Fault[] {
  if (!Object.hasOwn(imports, from)) {
    const text =
      `Cannot find a stand-in for "${from}": add one to ${OFFLINE} ` +
      "and to its import_map.json, with tests in tests/unit/offline/";
    return [{ path, line, text }];
  }
  const file = join(OFFLINE, imports[from]);
  const code = files.get(file) ?? "";
  return names.filter((name) => !exported(name).test(code)).map((name) => ({
    path,
    line,
    text: `Cannot find "${name}" in the stand-in for "${from}": add it to ` +
      `${file}, with cases in tests/unit/offline/`,
  }));
}

function exported(name: string): RegExp {
  return new RegExp(
    String
      .raw`^export (async )?(function|const|class|interface|type) ${name}\b`,
    "m",
  );
}
