// The bar above the messages: what the room is called and about, and what opens beside it.

import { duration } from "../i18n/format.js";
import { listed, t } from "../i18n/messages.js";
import { html, nothing } from "../vendor/lit-html.js";
import { icon } from "./icons.js";
import { textView } from "./text.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Room} room @param {Actions} act */
export function headerView(state, room, act) {
  const { conversation, topic, status } = room;
  const offered = status === "offered";
  return html`<header class="top">
    <button
      type="button"
      class="tool narrow"
      aria-label=${t("sidebar.rooms")}
      title=${t("sidebar.rooms")}
      aria-expanded=${state.drawer ? "true" : "false"}
      @click=${() => act.drawer(!state.drawer)}
    >
      ${icon("menu")}
    </button>
    <div class="title">
      <h1>${conversation ? namesView(room) : offered ? nameView(room) : roomButton(room, act)}</h1>
      ${topic ? html`<p class="topic" dir="auto" title=${topic}>${textView(topic, state, { room: room.name })}</p>` : nothing}
      ${room.isPrivate || room.slow ? tagsView(room) : nothing}
    </div>
    ${searchButton(state, act)} ${conversation || offered ? nothing : peopleButton(state, room, act)}
  </header>`;
}

/** @param {Room} room */
const namesView = ({ others }) =>
  html`<span class="sign">${icon("lock")}</span> <bdi>${listed(others) || t("person.self")}</bdi>`;

/** @param {Room} room @param {Actions} act */
const roomButton = ({ name }, act) =>
  html`<button type="button" class="room-button" @click=${() => act.room()} title=${t("room.details")}>
    ${nameView({ name })}
  </button>`;

/** @param {Pick<Room, "name">} room */
const nameView = ({ name }) => html`<span class="sign">#</span><bdi>${name}</bdi>`;

/** @param {Room} room */
const tagsView = ({ isPrivate, slow }) =>
  html`<p class="tags">
    ${isPrivate ? html`<span class="tag">${icon("lock")}${t("room.private")}</span>` : nothing}
    ${slow ? html`<span class="tag">${t("room.slow.tag", { interval: duration(slow) })}</span>` : nothing}
  </p>`;

/** @param {State} state @param {Actions} act */
const searchButton = ({ searching }, act) =>
  html`<button
    type="button"
    class="tool"
    aria-label=${t("search.title")}
    title=${t("search.title.keys", { keys: `${t("key.ctrl")}+K` })}
    aria-pressed=${searching ? "true" : "false"}
    @click=${() => (searching ? act.stopSearching() : act.search())}
  >
    ${icon("search")}
  </button>`;

/** @param {State} state @param {Room} room @param {Actions} act */
const peopleButton = ({ people, searching }, { members }, act) =>
  html`<button
    type="button"
    class="tool counted"
    aria-label=${t("room.people", { count: members })}
    title=${t("people.list")}
    aria-pressed=${people && !searching ? "true" : "false"}
    @click=${() => act.people()}
  >
    ${icon("people")}<span>${members || ""}</span>
  </button>`;
