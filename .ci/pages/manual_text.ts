/**
 * What the manual page says beside the options.
 *
 * @module
 */

/** Something, and what it is. */
export interface Paragraph {
  /** The thing. */
  readonly head: string;
  /** What it is. */
  readonly body: string;
}

/** Paragraphs of what the program does. */
export const DESCRIPTION: readonly string[] = [
  "cage runs a command, or the shell of a user, in a container. Without options " +
  "it is a root shell on a copy-on-write view of this machine: what is changed " +
  "inside is kept in an upper directory, and the machine is as it was.",
  "An instance is known by its pid file. The first call creates it, and later " +
  "ones run their command in it, as long as the first command runs.",
  "Files, processes, IPC, the host name, the names of cgroups and devices are " +
  "isolated. The network is the host's. Root inside has the capabilities and " +
  "the system calls that Docker leaves to a container.",
  "Installed set-user-ID root, it may be run by every user, to whom it gives " +
  "nothing of the host that they do not have without it. Other copies do with " +
  "what the kernel gives to everybody.",
];

/** Each status, and what it means. */
export const EXIT_STATUS: readonly Paragraph[] = [
  { head: "125", body: "cage itself failed, and said why." },
  { head: "126", body: "The command cannot be executed." },
  { head: "127", body: "The command was not found." },
  {
    head: "128 + N",
    body: "Signal N ended the command.",
  },
  {
    head: "any other",
    body: "The command's own. An init script that fails ends the launch with " +
      "its own status.",
  },
];

/** Variables that are looked at. */
export const ENVIRONMENT: readonly Paragraph[] = [
  {
    head: "TERM, LANG",
    body: "Are passed on to the command, and no others without -G.",
  },
  {
    head: "XDG_DATA_HOME, XDG_RUNTIME_DIR",
    body: "Where the changes and the pid files of a caller without privilege " +
      "are; without the first, below HOME.",
  },
  {
    head: "PATH",
    body:
      "Where programs that a caller without privilege needs are looked for.",
  },
  {
    head: "DISPLAY, XAUTHORITY, WAYLAND_DISPLAY, PULSE_SERVER, PIPEWIRE_REMOTE",
    body: "Which desktop -G passes on, with XDG_RUNTIME_DIR.",
  },
];

/** Files that are made or read. */
export const FILES: readonly Paragraph[] = [
  {
    head: "/var/lib/microcontainer/app-NAME",
    body: "The upper and the work directory of instances of root; those of a " +
      "user are below user/UID.",
  },
  {
    head: "/run/microcontainer/NAME.pid",
    body: "The id of the first process of an instance.",
  },
  {
    head: "/etc/cage/policy.json",
    body: "What the administrator allows to users; see the README.",
  },
  {
    head: "/etc/subuid, /etc/subgid",
    body: "The ids that a user has inside.",
  },
];
