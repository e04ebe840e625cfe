// The whole page, from the whole state.

import { classMap, html, nothing } from "../vendor/lit-html.js";
import { bannerView, connectionText, leftView } from "./banner.js";
import { composerView } from "./composer.js";
import { headerView } from "./header.js";
import { logView } from "./log/log.js";
import { offerView } from "./log/offer.js";
import { typingView } from "./log/typing.js";
import { peopleView } from "./people.js";
import { sidebarView } from "./sidebar.js";
import { toastView } from "./toast.js";
import { welcomeView } from "./welcome.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */
/** @typedef {import("../browser/scrolling.js").Scrolling} Scrolling */
/** @typedef {typeof import("./later.js") | undefined} Later */

/**
 * @param {State} state
 * @param {Actions} act
 * @param {Scrolling} scrolling
 * @param {Later} later once it is loaded
 */
export function pageView(state, act, scrolling, later) {
  const room = state.rooms[state.current];
  const chats = state.screen === "chat" && room;
  const dialog = chats && state.dialog && later ? later.dialogOf(state, room, state.dialog, act) : null;
  return html` <p class="hidden" role="status">${connectionText(state.connection)}</p>
    ${chats ? chatView(state, room, act, scrolling, later) : welcomeView(state, act)}
    ${dialog ?? toastView(state)}`;
}

/** @param {State} state @param {Room} room @param {Actions} act @param {Scrolling} scrolling @param {Later} later */
function chatView(state, room, act, scrolling, later) {
  const { searching, drawer, settings } = state;
  const offered = room.status === "offered";
  const people = state.people && !searching && !room.conversation && !offered;
  return html`<div class=${classMap({ chat: true, [settings.density]: true, "with-panel": people || searching })}>
    ${sidebarView(state, act)} ${drawer ? html`<div class="scrim" @click=${() => act.drawer(false)}></div>` : nothing}
    <main class="room">
      ${headerView(state, room, act)} ${bannerView(state, act)}
      ${room.status === "left" ? leftView(room, act) : nothing}
      ${offered ? offerView(room, act) : logView(state, room, act, scrolling)}
      ${typingView(room)} ${offered ? nothing : composerView(state, room, act)}
    </main>
    ${people ? peopleView(state, room, act) : nothing} ${searching && later ? later.searchOf(state, act) : nothing}
  </div>`;
}
