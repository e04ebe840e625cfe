// The contrast of names and texts on all their backgrounds, in both themes: at least WCAG's 4.5 to 1.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const FOLDER = new URL("../../../../app/page/static/css/", import.meta.url);
const CSS = readdirSync(FOLDER)
  .map((name) => readFileSync(new URL(name, FOLDER), "utf8"))
  .join("\n");
const GROUNDS = ["ground", "sunken", "row", "highlight", "tint"];
const THEMES = ["light", "dark"];

const pair = (name) => {
  const [, light, dark] = new RegExp(`--${name}: light-dark\\((#[0-9a-f]+), (#[0-9a-f]+)\\)`).exec(CSS);
  return { light, dark };
};

const hex = (text) => {
  const digits = text.length === 4 ? [...text.slice(1)].map((digit) => digit + digit) : text.slice(1).match(/../g);
  return digits.map((two) => linear(Number.parseInt(two, 16) / 255));
};

const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);

function oklch(lightness, chroma, hue) {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const rgb = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return rgb.map((value) => Math.min(1, Math.max(0, value)));
}

const luminance = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;

function contrast(one, other) {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

/** The lightness and chroma of a colour that differs by hue, in both themes. */
function named(selector, property) {
  const rule = CSS.slice(CSS.indexOf(`\n${selector} {`));
  const colour = "oklch\\((\\d+)% ([\\d.]+) var\\(--h\\)\\)";
  const found = new RegExp(`[;{\\s]${property}: light-dark\\(${colour}, ${colour}\\)`).exec(rule);
  const [light, lightChroma, dark, darkChroma] = found.slice(1).map(Number);
  return { light: [light / 100, lightChroma], dark: [dark / 100, darkChroma] };
}

const hues = [...CSS.matchAll(/\.hue-\d+ \{\s+--h: (\d+);/g)].map(([, hue]) => Number(hue));

test("names can be read in every colour", () => {
  assert.equal(hues.length, 20);
  for (const theme of THEMES) {
    for (const hue of hues) {
      for (const ground of GROUNDS) {
        const ratio = contrast(oklch(...named(".name", "color")[theme], hue), hex(pair(ground)[theme]));
        assert.ok(ratio >= 4.5, `${theme}, hue ${hue} on ${ground}: ${ratio.toFixed(2)}`);
      }
      const letter = contrast(
        oklch(...named(".avatar", "color")[theme], hue),
        oklch(...named(".avatar", "background")[theme], hue),
      );
      assert.ok(letter >= 4.5, `${theme}, letter of hue ${hue}: ${letter.toFixed(2)}`);
    }
  }
});

test("text can be read on every ground", () => {
  for (const theme of THEMES) {
    for (const text of ["ink", "soft", "accent", "danger"]) {
      for (const ground of [...GROUNDS, "raised", "hover"]) {
        const ratio = contrast(hex(pair(text)[theme]), hex(pair(ground)[theme]));
        assert.ok(ratio >= 4.5, `${theme}, ${text} on ${ground}: ${ratio.toFixed(2)}`);
      }
    }
    const white = contrast([1, 1, 1], hex(pair("fill")[theme]));
    assert.ok(white >= 4.5, `${theme}, white on fill: ${white.toFixed(2)}`);
  }
});
