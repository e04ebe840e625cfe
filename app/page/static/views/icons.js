// The icons: strokes on a grid of 20.

import { html, svg } from "../vendor/lit-html.js";

const PATHS = {
  search: "M9 15a6 6 0 1 0 0-12 6 6 0 0 0 0 12ZM13.5 13.5 17 17",
  people: `M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2 16.5c0-3 2.4-4.6 5.5-4.6s5.5 1.6 5.5 4.6
    M13 4a3 3 0 0 1 0 5.6M15 12.4c1.9.7 3 2.1 3 4.1`,
  menu: "M3 5.5h14M3 10h14M3 14.5h14",
  close: "M5 5l10 10M15 5 5 15",
  gear: `M10 12.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM10 2v2.5M10 15.5V18M2 10h2.5M15.5 10H18
    M4.34 4.34l1.77 1.77M13.89 13.89l1.77 1.77M4.34 15.66l1.77-1.77M13.89 6.11l1.77-1.77`,
  plus: "M10 4v12M4 10h12",
  send: "M17.5 2.5 9 11M17.5 2.5l-5.5 15-3-6.5-6.5-3 15-5.5Z",
  envelope: "M3 5h14v10.5H3ZM3 6l7 5.5L17 6",
  edit: "M12.5 4.5l3 3L7 16l-4 1 1-4 8.5-8.5Z",
  trash: "M4 5.5h12M8 5.5V3.5h4v2M5.5 5.5l.7 11h7.6l.7-11",
  link: `M8.5 11.5a3.5 3.5 0 0 0 5 0l2.5-2.5a3.5 3.5 0 0 0-5-5l-1 1
    M11.5 8.5a3.5 3.5 0 0 0-5 0L4 11a3.5 3.5 0 0 0 5 5l1-1`,
  down: "M10 4v12M5 11l5 5 5-5",
  lock: "M5 9h10v8H5ZM7 9V6.5a3 3 0 0 1 6 0V9",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
};

/** @param {keyof typeof PATHS} name */
export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true">${svg`<path d=${PATHS[name]} />`}</svg>`;

/**
 * A button that shows an icon only, with a name for screen readers and as a tooltip.
 * @param {keyof typeof PATHS} name @param {string} label @param {() => void} click
 */
export const iconButton = (name, label, click) =>
  html`<button type="button" class="tool" aria-label=${label} title=${label} @click=${click}>${icon(name)}</button>`;
