/**
 * The colours of pictures, on light and on dark paper.
 *
 * @module
 */

/** A colour as it is drawn, and what it becomes on dark paper. */
export interface Colour {
  /** On light paper, which is what a program sees that knows no other. */
  readonly light: string;
  /** On dark paper. */
  readonly dark: string;
}

/** All colours. No two have the same light one. */
export const COLOURS = {
  paper: { light: "#ffffff", dark: "#0d1117" },
  ink: { light: "#1f2328", dark: "#e6edf3" },
  muted: { light: "#59636e", dark: "#9198a1" },
  grid: { light: "#d1d9e0", dark: "#3d444d" },
  cage: { light: "#0969da", dark: "#58a6ff" },
  library: { light: "#1a7f37", dark: "#3fb950" },
  machine: { light: "#0a3069", dark: "#a5d6ff" },
  peer: { light: "#bc4c00", dark: "#f0883e" },
  other: { light: "#8250df", dark: "#bc8cff" },
  hand: { light: "#6e7781", dark: "#8b949e" },
} as const satisfies Record<string, Colour>;

/**
 * Lets a picture have dark paper where its reader wants that.
 *
 * @param svg A picture in light colours.
 * @param colours What they become.
 * @returns The picture with a style sheet.
 * @throws {Error} If it is no picture.
 */
export function withDarkPaper(
  svg: string,
  colours: readonly Colour[] = Object.values(COLOURS),
): string {
  const begin = svg.match(/^<svg\b[^>]*>/)?.[0];
  if (begin === undefined) {
    throw new Error("Cannot colour a picture: it does not begin with <svg");
  }
  const rules = colours.flatMap(({ dark, light }) =>
    ["fill", "stroke"].map((name) => `[${name}="${light}"]{${name}:${dark}}`)
  );
  const style = `<style>@media(prefers-color-scheme:dark){${
    rules.join("")
  }}</style>`;
  return begin + style + svg.slice(begin.length);
}
