/**
 * What has to be known of the machine before a container can be planned.
 *
 * @module
 */

/** Who calls, and from where. */
export interface Caller {
  /** The directory of the caller. */
  readonly cwd: string;
  /** The environment of the caller, which is data. */
  readonly env: ReadonlyMap<string, string>;
  /** The terminal of the caller, for `/dev/console`. */
  readonly terminal?: string;
}

/** What the kernel offers, as it was asked and not by its version. */
export interface Kernel {
  /** How an overlay can be mounted, see `overlay.ts`. */
  readonly overlay: "descriptors" | "paths" | "mount";
  /** Signals that the runtime handles or ignores, to be reset. */
  readonly signals: readonly number[];
  /** The highest number of a capability. */
  readonly lastCapability: number;
}

/** Owner and mode of a directory. */
export interface Ownership {
  /** Permission bits of chmod(2). */
  readonly mode: number;
  /** The id of the user. */
  readonly uid: number;
  /** The id of the group. */
  readonly gid: number;
}

/** What `/etc` of the host says about names. */
export interface HostFiles {
  /** The text of `/etc/resolv.conf`, if there is one. */
  readonly resolvConf?: string;
  /** The text of `/etc/hosts`, if there is one. */
  readonly hosts?: string;
  /** The name of the host. */
  readonly hostname: string;
}

/** A volume, and what its path on the host is. */
export interface VolumeFacts {
  /** The path on the host, absolute. */
  readonly host: string;
  /** `missing` is to be made, a directory. */
  readonly kind: "directory" | "file" | "missing";
}

/** Everything that a plan is made from, beside the spec. */
export interface Facts {
  /** Who calls. */
  readonly caller: Caller;
  /** What the kernel offers. */
  readonly kernel: Kernel;
  /** Owner and mode of the root of the top layer. */
  readonly root: Ownership;
  /** Files of {@linkcode HostFiles} that no layer has, as paths inside. */
  readonly absent: readonly string[];
  /** What `/etc` of the host says. */
  readonly host: HostFiles;
  /** The volumes of the spec, in their order. */
  readonly volumes: readonly VolumeFacts[];
  /** Paths inside at which the layers hold storage of containers. */
  readonly storageInside: readonly string[];
}
