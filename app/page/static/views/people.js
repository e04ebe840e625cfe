// The people of the room.

import { t } from "../i18n/messages.js";
import { sorted } from "../state/people.js";
import { html, repeat } from "../vendor/lit-html.js";
import { iconButton } from "./icons.js";
import { avatar, nameView } from "./names.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Room} room @param {Actions} act */
export function peopleView(state, room, act) {
  const { members, people } = room;
  return html`<aside class="panel people" aria-label=${t("people.list")}>
    <header>
      <h2>${t("room.people", { count: members })}</h2>
      ${iconButton("close", t("dialog.close"), () => act.people())}
    </header>
    ${
      people
        ? html`<ul>
            ${repeat(
              sorted(people),
              ({ id }) => id,
              (person) => entryView(state, room, person, act),
            )}
          </ul>`
        : html`<p class="quiet">${t("people.too_many")}</p>`
    }
  </aside>`;
}

/** @param {State} state @param {Room} room @param {import("../types.d.ts").Person} person @param {Actions} act */
function entryView(state, room, { id, name, away }, act) {
  const about = [
    id === state.me?.id ? t("people.you") : roleText(room, name),
    away === undefined ? "" : t("person.away", { why: away }),
  ];
  return html`<li>
    <button type="button" class="entry" @click=${() => act.dialog({ kind: "person", name, id })}>
      <span class=${`presence ${away === undefined ? "online" : "away"}`}>${avatar(name, id)}</span>
      <span class="two-lines"
        >${nameView(name, id)} <span class="quiet" dir="auto">${about.filter(Boolean).join(", ")}</span></span
      >
    </button>
  </li>`;
}

/** @param {Room} room @param {string} name */
function roleText({ owner, operators }, name) {
  if (owner === name) return t("person.owner");
  return operators.includes(name) ? t("person.operator") : "";
}
