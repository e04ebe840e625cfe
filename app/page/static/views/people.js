// The people of the room.

import { t } from "../i18n/messages.js";
import { roleOf, shownPeople, sorted } from "../state/people.js";
import { html, live, nothing, repeat } from "../vendor/lit-html.js";
import { iconButton } from "./icons.js";
import { avatar, nameView } from "./names.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** In a room of more people than this, one of them can be looked for. */
const FEW = 15;

/** @param {State} state @param {Room} room @param {Actions} act */
export function peopleView(state, room, act) {
  const { members } = room;
  const people = shownPeople(state, room);
  const more = !room.people && state.finding.more;
  return html`<aside class="panel people" aria-label=${t("people.list")}>
    <header>
      <h2>${members ? t("room.people", { count: members }) : t("people.list")}</h2>
      ${iconButton("close", t("dialog.close"), () => act.people())}
    </header>
    ${members > FEW ? findView(state, room, act) : nothing}
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
    ${people?.length === 0 && state.finding.find ? html`<p class="quiet">${t("people.none")}</p>` : nothing}
    ${more ? moreButton(act) : nothing}
  </aside>`;
}

/** @param {Actions} act */
const moreButton = (act) =>
  html`<button type="button" class="secondary" @click=${act.morePeople}>${t("people.more")}</button>`;

/** @param {State} state @param {Room} room @param {Actions} act */
const findView = ({ finding }, { name }, act) =>
  html`<input
    type="search"
    aria-label=${t("people.find")}
    placeholder=${t("people.find")}
    autocomplete="off"
    .value=${live(finding.room === name ? finding.find : "")}
    @input=${(/** @type {any} */ { target }) => act.findPeople(target.value)}
  />`;

/** @param {State} state @param {Room} room @param {import("../types.d.ts").Person} person @param {Actions} act */
function entryView(state, room, { id, name, away }, act) {
  const about = [
    id === state.me?.id ? t("people.you") : roleText(room, { name, id }),
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

/** @param {Room} room @param {{ name: string, id: number }} person */
function roleText(room, person) {
  const role = roleOf(room, person);
  return role && t(role === "owner" ? "person.owner" : "person.operator");
}
