// How people are named and shown, everywhere the same.

import { html } from "../vendor/lit-html.js";
import { hueOf, letterOf } from "./hues.js";

/** @param {string} name @param {number} [user] the id, where it is known */
export const avatar = (name, user) =>
  html`<span class="avatar hue-${hueOf(name, user)}" aria-hidden="true">${letterOf(name)}</span>`;

/** A name, kept apart from the direction of the text around it.
 * @param {string} name
 * @param {number} [user]
 */
export const nameView = (name, user) => html`<bdi class="name hue-${hueOf(name, user)}">${name}</bdi>`;

/** A name that opens the dialog of the person.
 * @param {string} name
 * @param {number | undefined} id
 * @param {import("../actions/actions.js").Actions} act
 */
export const nameButton = (name, id, act) =>
  html`<button type="button" class="name-button" tabindex="-1" @click=${() => act.dialog({ kind: "person", name, id })}>
    ${nameView(name, id)}
  </button>`;
