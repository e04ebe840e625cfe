// The whole page, from the whole state.

import { classMap, html, nothing } from "../vendor/lit-html.js";
import { bannerView, connectionText, leftView } from "./banner.js";
import { composerView } from "./composer.js";
import { deleteView } from "./dialogs/delete.js";
import { helpView } from "./dialogs/help.js";
import { personView } from "./dialogs/person.js";
import { roomView } from "./dialogs/room.js";
import { roomsView } from "./dialogs/rooms.js";
import { settingsView } from "./dialogs/settings.js";
import { headerView } from "./header.js";
import { logView } from "./log/log.js";
import { typingView } from "./log/typing.js";
import { peopleView } from "./people.js";
import { searchView } from "./search.js";
import { sidebarView } from "./sidebar.js";
import { welcomeView } from "./welcome.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */
/** @typedef {import("../browser/scrolling.js").Scrolling} Scrolling */

/** @param {State} state @param {Actions} act @param {Scrolling} scrolling */
export function pageView(state, act, scrolling) {
  const room = state.rooms[state.current];
  const chats = state.screen === "chat" && room;
  return html` <p class="hidden" role="status">${connectionText(state.connection)}</p>
    ${chats ? chatView(state, room, act, scrolling) : welcomeView(state, act)}
    ${state.toast ? html`<p class="toast">${state.toast}</p>` : nothing}
    ${chats && state.dialog ? dialogOf(state, room, state.dialog, act) : nothing}`;
}

/** @param {State} state @param {Room} room @param {Actions} act @param {Scrolling} scrolling */
function chatView(state, room, act, scrolling) {
  const { searching, drawer, settings } = state;
  const people = state.people && !searching && !room.conversation;
  return html`<div class=${classMap({ chat: true, [settings.density]: true, "with-panel": people || searching })}>
    ${sidebarView(state, act)} ${drawer ? html`<div class="scrim" @click=${() => act.drawer(false)}></div>` : nothing}
    <main class="room">
      ${headerView(state, room, act)} ${bannerView(state, act)}
      ${room.status === "left" ? leftView(room, act) : nothing} ${logView(state, room, act, scrolling)}
      ${typingView(room)} ${composerView(state, room, act)}
    </main>
    ${people ? peopleView(state, room, act) : nothing} ${searching ? searchView(state, act) : nothing}
  </div>`;
}

/** @param {State} state @param {Room} room @param {NonNullable<State["dialog"]>} dialog @param {Actions} act */
function dialogOf(state, room, dialog, act) {
  switch (dialog.kind) {
    case "settings":
      return settingsView(state, act);
    case "rooms":
      return roomsView(state, act);
    case "room":
      return roomView(state, room, act);
    case "person":
      return personView(state, room, dialog, act);
    case "delete":
      return deleteView(state, dialog, act);
    default:
      return helpView(state, act);
  }
}
