/**
 * The directories that series need.
 *
 * @module
 */

import type { Place } from "./place.ts";
import { layersDirectory, SERIES, upperOf } from "./series.ts";

/** How many files a directory of an upper layer has. */
const FILES = 100;

/**
 * Makes all layers and upper layers.
 *
 * @param place Where.
 */
export async function makeLayers(place: Place): Promise<void> {
  const directory = layersDirectory(place);
  await Deno.mkdir(`${directory}/merged`, { recursive: true });
  await Deno.symlink(place.root, `${directory}/root`);
  for (let layer = 1; layer < Math.max(...levelsOf("layers")); layer++) {
    await Deno.mkdir(`${directory}/${layer}`);
    await Deno.writeTextFile(`${directory}/${layer}/layer-${layer}`, "");
  }
  for (const files of levelsOf("upper")) {
    for (const user of ["cage", "by-hand"] as const) {
      const { upper, work } = upperOf(place, files, user);
      await Deno.mkdir(upper, { recursive: true });
      await Deno.mkdir(work);
      fill(upper, files);
    }
  }
}

function fill(upper: string, files: number): void {
  for (let file = 0; file < files; file++) {
    const directory = `${upper}/changed/${Math.floor(file / FILES)}`;
    if (file % FILES === 0) Deno.mkdirSync(directory, { recursive: true });
    Deno.writeTextFileSync(`${directory}/${file}`, "x");
  }
}

function levelsOf(name: string): readonly number[] {
  return SERIES.find((series) => series.name === name)!.levels;
}
