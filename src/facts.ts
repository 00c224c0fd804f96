/**
 * What has to be known of the machine before a container can be planned.
 *
 * @module
 */

import type { Identity } from "./caller.ts";
import type { Composition } from "./compose.ts";
import type { GraphicsSources } from "./graphics_mounts.ts";
import type { IdMap } from "./idmap.ts";

/** What the kernel offers, as it was asked and not by its version. */
export interface Kernel {
  /**
   * How an overlay can be mounted, see `overlay.ts`; "either" of the first two
   * if that is for the plan to find out.
   */
  readonly overlay: "descriptors" | "paths" | "mount" | "either";
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
  /** Whether the texts are those of another time than that of the launch. */
  readonly isLater?: boolean;
}

/**
 * What a plan mounts: a descriptor of a detached copy of a mount, which this
 * program has taken; or, where the plan has the caller's own rights and no
 * others, the real path that it opens by itself.
 */
export type MountSource = number | string;

/** A lower layer. */
export interface LayerSource {
  /** Its mount. */
  readonly mount: MountSource;
  /** The path, as it was given. */
  readonly path: string;
  /** Whether its ids are to be mapped to those of the user namespace. */
  readonly isMapped: boolean;
}

/** Directories on a disk that keep what is changed. */
export interface StorageSource {
  /**
   * A descriptor of a detached copy of a mount that has both; absent if the
   * plan opens them by itself.
   */
  readonly mount?: number;
  /** The path of the upper directory there, or the absolute one. */
  readonly upper: string;
  /** The path of the work directory, in the same way. */
  readonly work: string;
}

/** A volume. */
export interface VolumeSource {
  /** Its mount, with those below. */
  readonly mount: MountSource;
  /** The path on the host, absolute. */
  readonly host: string;
  /** What it is. */
  readonly kind: "directory" | "file";
}

/** A directory of the upper layer that is there before it is needed. */
export interface Skeleton {
  /** The path inside, absolute. */
  readonly path: string;
  /** Its permission bits. */
  readonly mode: number;
  /** Whether nothing of the lower layers is seen in it. */
  readonly isEmpty?: boolean;
}

/** A place in the layers that a mount hides on the host. */
export interface Hidden {
  /** The path inside, absolute. */
  readonly path: string;
  /** What is there. */
  readonly kind: "directory" | "file";
}

/** The user namespace of a container, and who is who in it. */
export interface UserNamespace {
  /** A descriptor of it; absent if the plan begins in it. */
  readonly descriptor?: number;
  /** The maps. */
  readonly map: IdMap;
  /** Whose the container is, outside. */
  readonly owner: Identity;
  /** Who sets the container up, inside: root, or the only id that there is. */
  readonly inside: Readonly<Pick<Identity, "uid" | "gid">>;
}

/** A user namespace that a plan enters when all is mounted. */
export type LaterNamespace = UserNamespace & { readonly descriptor: number };

/** Everything that a plan is made from, beside the spec. */
export interface Facts {
  /** The environment of the caller, which is data. */
  readonly callerEnv: ReadonlyMap<string, string>;
  /** Whether the container is root's, though the caller is somebody else. */
  readonly becomesRoot: boolean;
  /** The user namespace, if the container has one. */
  readonly userNamespace?: UserNamespace;
  /** What the kernel offers. */
  readonly kernel: Kernel;
  /** The lower layers, the first on top. */
  readonly layers: readonly LayerSource[];
  /** The view of the layers, where one overlay of them is refused. */
  readonly composition?: Composition;
  /** Owner, as the plan counts, and mode of a new upper directory. */
  readonly root: Ownership;
  /** Directories of the upper layer that are there before they are needed. */
  readonly skeleton: readonly Skeleton[];
  /** Places in the layers that mounts hide on the host. */
  readonly hidden: readonly Hidden[];
  /** Files of {@linkcode HostFiles} that no layer has, as paths inside. */
  readonly absent: readonly string[];
  /** What `/etc` of the host says. */
  readonly host: HostFiles;
  /** The volumes of the spec, in their order. */
  readonly volumes: readonly VolumeSource[];
  /** What graphical programs get, if they are to get it. */
  readonly graphics?: GraphicsSources;
  /** The mount of the caller's terminal. */
  readonly console?: MountSource;
  /** Paths inside at which the layers hold storage of containers. */
  readonly storageInside: readonly string[];
}
