import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { COLOURS, withDarkPaper } from "../../bench/theme.ts";

Deno.test("withDarkPaper() adds a style sheet and changes nothing else", () => {
  const svg = '<svg width="1"><path fill="#111111"/></svg>';
  const colours = [{ light: "#111111", dark: "#eeeeee" }];
  assertEquals(
    withDarkPaper(svg, colours),
    '<svg width="1"><style>@media(prefers-color-scheme:dark){' +
      '[fill="#111111"]{fill:#eeeeee}[stroke="#111111"]{stroke:#eeeeee}' +
      '}</style><path fill="#111111"/></svg>',
  );
});

Deno.test("withDarkPaper() knows all colours", () => {
  const text = withDarkPaper("<svg></svg>");
  for (const { dark } of Object.values(COLOURS)) {
    assertStringIncludes(text, `{fill:${dark}}`);
  }
});

Deno.test("withDarkPaper() refuses what is no picture", () => {
  assertThrows(
    () => withDarkPaper("oops"),
    Error,
    "Cannot colour a picture: it does not begin with <svg",
  );
});

Deno.test("Colours can be told apart when they are replaced", () => {
  const light = Object.values(COLOURS).map(({ light }) => light);
  assertEquals(new Set<string>(light).size, light.length);
});

Deno.test("Text and marks can be seen on both papers, as WCAG 2 counts contrast", () => {
  for (const paper of ["light", "dark"] as const) {
    for (const name of ["ink", "muted"] as const) {
      const found = contrast(COLOURS[name][paper], COLOURS.paper[paper]);
      assertEquals(found >= 4.5, true, `${name} on ${paper}: ${found}`);
    }
    for (const [name, colour] of Object.entries(COLOURS)) {
      if (name === "paper" || name === "grid") continue;
      const found = contrast(colour[paper], COLOURS.paper[paper]);
      assertEquals(found >= 3, true, `${name} on ${paper}: ${found}`);
    }
  }
});

function contrast(one: string, other: string): number {
  const [dark, light] = [one, other].map(luminance).sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
