/**
 * A program that draws: it reads an object of specifications for Vega-Lite from
 * standard input, and writes an object of SVG pictures by the same names.
 *
 * It is run without permissions, and with a file that tells what the library's
 * packages have to be, see pictures.ts. They are named in variables, so that
 * only this program needs them and no check of the project fetches them.
 *
 * @module
 */

/** What is used of Vega. */
interface Vega {
  readonly parse: (spec: unknown) => unknown;
  readonly View: new (
    view: unknown,
    options: { readonly renderer: "none" },
  ) => { toSVG(): Promise<string> };
}

/** What is used of Vega-Lite. */
interface VegaLite {
  readonly compile: (chart: unknown) => { readonly spec: unknown };
}

const VEGA = "npm:vega@6.4.0";
const VEGA_LITE = "npm:vega-lite@6.5.0";

const { parse, View }: Vega = await import(VEGA);
const { compile }: VegaLite = await import(VEGA_LITE);

const charts: Record<string, unknown> = await new Response(Deno.stdin.readable)
  .json();
const pictures: Record<string, string> = {};
for (const [name, chart] of Object.entries(charts)) {
  const view = new View(parse(compile(chart).spec), { renderer: "none" });
  pictures[name] = await view.toSVG();
}
console.log(JSON.stringify(pictures));
