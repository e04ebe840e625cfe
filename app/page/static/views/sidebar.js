// The rooms and conversations one is in, and oneself.

import { classMap, html, nothing, repeat } from "../vendor/lit-html.js";
import { listed } from "./hues.js";
import { format } from "../browser/address.js";
import { unread } from "../state/unread.js";
import { icon } from "./icons.js";
import { avatar } from "./names.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act */
export function sidebarView(state, act) {
  const rooms = Object.values(state.rooms);
  const open = rooms.filter(({ conversation }) => !conversation).sort((a, b) => (a.name < b.name ? -1 : 1));
  const whispers = rooms.filter(({ conversation }) => conversation).sort((a, b) => b.position - a.position);
  return html`<section
    aria-label="Natter"
    class=${classMap({ sidebar: true, open: state.drawer })}
    @keydown=${closing(act)}
  >
    <div class="brand"><span class="wordmark">Natter</span></div>
    <nav aria-label="Rooms">
      <div class="section">
        <h2>Rooms</h2>
        <button type="button" class="tool" aria-label="Join a room" title="Join a room" @click=${() => act.rooms()}>
          ${icon("plus")}
        </button>
      </div>
      <ul>
        ${repeat(
          open,
          ({ name }) => name,
          (room) => entry(state, room, `#${room.name}`),
        )}
      </ul>
      ${
        whispers.length
          ? html`<div class="section"><h2>Whispers</h2></div>
              <ul>
                ${repeat(
                  whispers,
                  ({ name }) => name,
                  (room) => entry(state, room, listed(room.others) || "yourself"),
                )}
              </ul>`
          : nothing
      }
    </nav>
    ${oneself(state, act)}
  </section>`;
}

/** @param {State} state @param {Room} room @param {string} label */
function entry(state, room, label) {
  const { count, mentions } = unread(state, room);
  const current = state.current === room.name;
  const draft = !current && Boolean(state.drafts[room.name]?.trim());
  const [sign, name] = label.startsWith("#") ? ["#", label.slice(1)] : ["", label];
  return html`<li>
    <a
      class=${classMap({ entry: true, unread: count > 0, left: room.status === "left" })}
      href=${format(room.name)}
      aria-current=${current ? "page" : nothing}
    >
      <span class="sign" aria-hidden="true">${sign || icon("lock")}</span>
      <bdi class="label">${name}</bdi>
      ${draft ? html`<span class="draft">${icon("edit")}<span class="hidden">draft</span></span>` : nothing}
      ${
        count
          ? html`<span class=${mentions ? "badge mentions" : "badge"}
              >${count > 99 ? "99+" : count}<span class="hidden">
                ${mentions && !room.conversation ? `unread, ${mentions} for you` : "unread"}</span
              ></span
            >`
          : nothing
      }
    </a>
  </li>`;
}

/** @param {State} state @param {Actions} act */
function oneself(state, act) {
  const { name, id } = state.me ?? { name: "", id: 0 };
  const { phase } = state.connection;
  return html`<div class="oneself">
    <button type="button" class="entry" title="About you" @click=${() => act.dialog({ kind: "person", name, id })}>
      <span class=${`presence ${phase === "open" ? "here" : "away"}`}>${avatar(name, id)}</span>
      <span class="who"
        ><bdi class="label">${name}</bdi>
        <span class="quiet">${state.me?.registered ? "Registered" : "Guest"}</span></span
      >
    </button>
    <button
      type="button"
      class="tool"
      aria-label="Settings"
      title="Settings"
      @click=${() => act.dialog({ kind: "settings" })}
    >
      ${icon("gear")}
    </button>
  </div>`;
}

/** @param {Actions} act */
const closing =
  (act) =>
  (/** @type {KeyboardEvent} */ { key }) => {
    if (key === "Escape") act.drawer(false);
  };
