/**
 * What is wanted of a container, before anything of the machine is known.
 *
 * @module
 */

/** A directory or file of the host, seen inside. */
export interface Volume {
  /** The path on the host; a relative one starts at the caller's directory. */
  readonly host: string;
  /** The path inside, absolute and normalised. */
  readonly inside: string;
  /** Whether nothing can be written through it. */
  readonly readOnly: boolean;
}

/**
 * A container as it was asked for. Everything may be left out: an empty spec
 * is a root shell on a copy-on-write view of this machine.
 */
export interface ContainerSpec {
  /** The name, which gives `appDir` and `pidFile` their defaults. */
  readonly name?: string;
  /** The application directory, which gives `upper` and `work` theirs. */
  readonly appDir?: string;
  /** The lower layers, the first on top; the host's root if absent. */
  readonly lower?: readonly string[];
  /** The upper directory of the overlay, which holds all changes. */
  readonly upper?: string;
  /** The work directory of the overlay, on the file system of `upper`. */
  readonly work?: string;
  /** The file that holds the id of the container's first process. */
  readonly pidFile?: string;
  /** Who the command runs as: `user[:group…]`, names or numbers. */
  readonly user?: string;
  /** More groups: `group[:group…]`, names or numbers. */
  readonly group?: string;
  /** The directory that the command starts in; `/` if absent. */
  readonly directory?: string;
  /** Variables of the environment, each `key=value`; the last one wins. */
  readonly env?: readonly string[];
  /** Directories and files of the host, seen inside. */
  readonly volumes?: readonly Volume[];
  /** Whether the command gets what graphical programs need. */
  readonly graphics?: boolean;
  /** Whether it gets the session bus too. */
  readonly dbus?: boolean;
  /** A script that runs as root inside before the command. */
  readonly initScript?: string;
  /** Whether the upper directory is in memory, so that nothing stays. */
  readonly ephemeral?: boolean;
  /** Whether pid 1 is a reaper of ours (the default) or the command. */
  readonly init?: boolean;
  /** Whether root inside keeps all that root has; root and granted only. */
  readonly privileged?: boolean;
  /** Whether nothing inside gets privileges by executing a program. */
  readonly noNewPrivs?: boolean;
  /** Whether the command runs in the background, and outlives its launcher. */
  readonly detached?: boolean;
  /** Whether each step of the launch is told, with its result and time. */
  readonly debug?: boolean;
  /** The command and its arguments; the user's login shell if absent. */
  readonly command?: readonly string[];
}
