// How somebody is named and shown, everywhere the same.

import { html } from "../vendor/lit-html.js";
import { hueOf, letterOf } from "../names.js";

/** @param {string} name */
export const avatar = (name) =>
  html`<span class="avatar hue-${hueOf(name)}" aria-hidden="true">${letterOf(name)}</span>`;

/** A name, kept apart from the direction of the text around it.
 * @param {string} name
 */
export const nameOf = (name) => html`<bdi class="name hue-${hueOf(name)}">${name}</bdi>`;

/** A name that opens what can be done with the person.
 * @param {string} name
 * @param {import("../actions.js").Actions} act
 */
export const nameButton = (name, act) =>
  html`<button type="button" class="name-button" tabindex="-1" @click=${() => act.dialog({ kind: "person", name })}>
    ${nameOf(name)}
  </button>`;
