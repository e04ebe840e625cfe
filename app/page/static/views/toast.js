// A short confirmation that disappears by itself.

import { html, nothing } from "../vendor/lit-html.js";

/** @param {import("../types.d.ts").State} state */
export const toastView = ({ toast }) => (toast ? html`<p class="toast">${toast}</p>` : nothing);
