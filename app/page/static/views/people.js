// Who is in the room.

import { html, repeat } from "../vendor/lit-html.js";
import { sorted } from "../state/people.js";
import { icon } from "./icons.js";
import { avatar, nameOf } from "./names.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Room} room @param {Actions} act */
export function peopleView(state, room, act) {
  const { members, people } = room;
  return html`<aside class="side people" aria-label="People">
    <header>
      <h2>${members} ${members === 1 ? "person" : "people"}</h2>
      <button type="button" class="tool" aria-label="Close" title="Close" @click=${() => act.people()}>
        ${icon("close")}
      </button>
    </header>
    ${
      people
        ? html`<ul>
            ${repeat(
              sorted(people),
              ({ id }) => id,
              (person) => entry(state, room, person, act),
            )}
          </ul>`
        : html`<p class="quiet">So many people are here that they are not listed.</p>`
    }
  </aside>`;
}

/** @param {State} state @param {Room} room @param {import("../types.d.ts").Person} person @param {Actions} act */
function entry(state, room, { id, name, away }, act) {
  const role = room.owner === name ? "owner" : room.operators.includes(name) ? "operator" : "";
  const words = [id === state.me?.id ? "you" : role, away === undefined ? "" : `away${away ? `: ${away}` : ""}`];
  return html`<li>
    <button type="button" class="entry" @click=${() => act.dialog({ kind: "person", name, id })}>
      <span class=${`presence ${away === undefined ? "here" : "away"}`}>${avatar(name, id)}</span>
      <span class="who"
        >${nameOf(name, id)} <span class="quiet" dir="auto">${words.filter(Boolean).join(", ")}</span></span
      >
    </button>
  </li>`;
}
