// How somebody is named and shown, everywhere the same.

import { html } from "../vendor/lit-html.js";
import { hueOf, letterOf } from "./hues.js";

/** @param {string} name @param {number} [user] the id, where it is known */
export const avatar = (name, user) =>
  html`<span class="avatar hue-${hueOf(name, user)}" aria-hidden="true">${letterOf(name)}</span>`;

/** A name, kept apart from the direction of the text around it.
 * @param {string} name
 * @param {number} [user]
 */
export const nameOf = (name, user) => html`<bdi class="name hue-${hueOf(name, user)}">${name}</bdi>`;

/** A name that opens what can be done with the person.
 * @param {string} name
 * @param {number | undefined} id
 * @param {import("../actions/actions.js").Actions} act
 */
export const nameButton = (name, id, act) =>
  html`<button type="button" class="name-button" tabindex="-1" @click=${() => act.dialog({ kind: "person", name, id })}>
    ${nameOf(name, id)}
  </button>`;
