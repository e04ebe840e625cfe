// The rooms and conversations that you are in, and your own name.

import { listed, t } from "../i18n/messages.js";
import { format } from "../browser/address.js";
import { unread } from "../state/unread.js";
import { classMap, html, nothing, repeat } from "../vendor/lit-html.js";
import { icon, iconButton } from "./icons.js";
import { avatar } from "./names.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** A badge shows no larger number. */
const MOST = 99;

/** @param {State} state @param {Actions} act */
export function sidebarView(state, act) {
  const all = Object.values(state.rooms);
  const rooms = all.filter(({ conversation }) => !conversation).sort((a, b) => (a.name < b.name ? -1 : 1));
  const conversations = all.filter(({ conversation }) => conversation).sort((a, b) => b.position - a.position);
  return html`<section
    aria-label=${t("document.title")}
    class=${classMap({ sidebar: true, open: state.drawer })}
    @keydown=${closeOnEscape(act)}
  >
    <div class="brand"><span class="wordmark">${t("document.title")}</span></div>
    <nav aria-label=${t("sidebar.rooms")}>
      <div class="section">
        <h2>${t("sidebar.rooms")}</h2>
        ${iconButton("plus", t("sidebar.join"), () => act.rooms())}
      </div>
      ${listView(rooms, (room) => entryView(state, room, "#", room.name))}
      ${
        conversations.length
          ? html`<div class="section"><h2>${t("sidebar.whispers")}</h2></div>
              ${listView(conversations, (room) =>
                entryView(state, room, icon("lock"), listed(room.others) || t("person.self")),
              )}`
          : nothing
      }
    </nav>
    ${ownView(state, act)}
  </section>`;
}

/** @param {readonly Room[]} rooms @param {(room: Room) => unknown} entry */
const listView = (rooms, entry) => html`<ul>${repeat(rooms, ({ name }) => name, entry)}</ul>`;

/** @param {State} state @param {Room} room @param {unknown} sign @param {string} label */
function entryView(state, room, sign, label) {
  const { count, mentions } = unread(state, room);
  const current = state.current === room.name;
  const draft = !current && Boolean(state.drafts[room.name]?.trim());
  return html`<li>
    <a
      class=${classMap({ entry: true, unread: count > 0, left: room.status === "left" })}
      href=${format(room.name)}
      aria-current=${current ? "page" : nothing}
    >
      <span class="sign" aria-hidden="true">${sign}</span>
      <bdi class="label">${label}</bdi>
      ${draft ? html`<span class="draft">${icon("edit")}<span class="hidden">${t("sidebar.draft")}</span></span>` : nothing}
      ${count ? badgeView(count, mentions, room.conversation) : nothing}
    </a>
  </li>`;
}

/** @param {number} count @param {number} mentions @param {boolean} conversation in which all messages are for you */
function badgeView(count, mentions, conversation) {
  const text =
    mentions && !conversation
      ? t("sidebar.unread.mentions", { count, mentions })
      : t("sidebar.unread", { count });
  return html`<span class=${mentions ? "badge mentions" : "badge"}
    ><span aria-hidden="true">${count > MOST ? `${MOST}+` : count}</span><span class="hidden">${text}</span></span
  >`;
}

/** @param {State} state @param {Actions} act */
function ownView({ me, connection }, act) {
  const { name, id, registered } = me ?? { name: "", id: 0, registered: false };
  return html`<div class="profile">
    <button
      type="button"
      class="entry"
      title=${t("sidebar.profile")}
      @click=${() => act.dialog({ kind: "person", name, id })}
    >
      <span class=${`presence ${connection.phase === "open" ? "online" : "away"}`}>${avatar(name, id)}</span>
      <span class="two-lines"
        ><bdi class="label">${name}</bdi>
        <span class="quiet">${t(registered ? "person.registered" : "person.guest")}</span></span
      >
    </button>
    ${iconButton("gear", t("sidebar.settings"), () => act.dialog({ kind: "settings" }))}
  </div>`;
}

/** @param {Actions} act */
const closeOnEscape =
  (act) =>
  (/** @type {KeyboardEvent} */ { key }) => {
    if (key === "Escape") act.drawer(false);
  };
