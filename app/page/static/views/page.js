// The whole page, from the whole state.

import { classMap, html, nothing } from "../vendor/lit-html.js";
import { namesOf, withoutAliases } from "../text/commands.js";
import { listed } from "./hues.js";
import { bannerView, wordsOf } from "./banner.js";
import { composerView } from "./composer.js";
import { dialogView } from "./dialogs/dialog.js";
import { icon } from "./icons.js";
import { logView, typingView } from "./log/log.js";
import { personView, roomView } from "./dialogs/moderation.js";
import { peopleView } from "./people.js";
import { roomsView } from "./dialogs/rooms.js";
import { searchView } from "./search.js";
import { settingsView } from "./dialogs/settings.js";
import { sidebarView } from "./sidebar.js";
import { textOf } from "./text.js";
import { welcomeView } from "./welcome.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act @param {import("../browser/scrolling.js").Scrolling} scrolling */
export function pageView(state, act, scrolling) {
  const room = state.rooms[state.current];
  const chats = state.screen === "chat" && room;
  return html` <p class="hidden" role="status">${wordsOf(state.connection)}</p>
    ${chats ? chatView(state, room, act, scrolling) : welcomeView(state, act)}
    ${state.toast ? html`<p class="toast">${state.toast}</p>` : nothing}
    ${chats && state.dialog ? shownDialog(state, room, state.dialog, act) : nothing}`;
}

/**
 * @param {State} state
 * @param {Room} room
 * @param {Actions} act
 * @param {import("../browser/scrolling.js").Scrolling} scrolling
 */
function chatView(state, room, act, scrolling) {
  const { searching, drawer, settings } = state;
  const people = state.people && !searching && !room.conversation;
  return html`<div class=${classMap({ chat: true, [settings.density]: true, sided: people || searching })}>
    ${sidebarView(state, act)} ${drawer ? html`<div class="scrim" @click=${() => act.drawer(false)}></div>` : nothing}
    <main class="room">
      ${headerView(state, room, act)} ${bannerView(state, act)}
      ${room.status === "left" ? leftView(room, act) : nothing} ${logView(state, room, act, scrolling)}
      ${typingView(room)} ${composerView(state, room, act)}
    </main>
    ${people ? peopleView(state, room, act) : nothing} ${searching ? searchView(state, act) : nothing}
  </div>`;
}

/** @param {State} state @param {Room} room @param {Actions} act */
function headerView(state, room, act) {
  const { conversation, name, topic, others, members } = room;
  return html`<header class="top">
    <button
      type="button"
      class="tool narrow"
      aria-label="Rooms"
      title="Rooms"
      aria-expanded=${state.drawer ? "true" : "false"}
      @click=${() => act.drawer(!state.drawer)}
    >
      ${icon("menu")}
    </button>
    <div class="title">
      <h1>
        ${
          conversation
            ? html`<bdi>${listed(others) || "Yourself"}</bdi>`
            : html`<button type="button" class="room-button" @click=${() => act.room()} title="About the room">
                <span class="sign">#</span><bdi>${name}</bdi>
              </button>`
        }
      </h1>
      ${topic ? html`<p class="topic" dir="auto" title=${topic}>${textOf(topic, state.names)}</p>` : nothing}
      ${room.closed ? html`<span class="tag">${icon("lock")}private</span>` : nothing}
      ${room.slow ? html`<span class="tag">one message in ${room.slow} s</span>` : nothing}
    </div>
    <button
      type="button"
      class="tool"
      aria-label="Search"
      title="Search (Ctrl+K)"
      aria-pressed=${state.searching ? "true" : "false"}
      @click=${() => (state.searching ? act.stopSearching() : act.search())}
    >
      ${icon("search")}
    </button>
    ${
      conversation
        ? nothing
        : html`<button
            type="button"
            class="tool counted"
            title="Who is here"
            aria-pressed=${state.people && !state.searching ? "true" : "false"}
            @click=${() => act.people()}
          >
            ${icon("people")}<span
              >${members || ""}<span class="hidden"> ${members === 1 ? "person" : "people"}</span></span
            >
          </button>`
    }
  </header>`;
}

/** @param {Room} room @param {Actions} act */
const leftView = ({ name, why }, act) =>
  html`<div class="banner">
    <span dir="auto">You are not in the room${why ? `: ${why}` : ""}.</span>
    <span class="buttons"
      ><button type="button" class="secondary" @click=${() => act.rejoin(name)}>Join again</button></span
    >
  </div>`;

/** @param {State} state @param {Room} room @param {NonNullable<State["dialog"]>} dialog @param {Actions} act */
function shownDialog(state, room, dialog, act) {
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

/** @param {State} state @param {Extract<State["dialog"], { kind: "delete" }>} dialog @param {Actions} act */
const deleteView = (state, { room, seq, text }, act) =>
  dialogView(
    state,
    act,
    "Delete this message?",
    html` <blockquote>${textOf(text, [])}</blockquote>
      <p>Its text is taken away for everybody, and for good.</p>
      <div class="buttons">
        <button type="button" class="danger" @click=${() => void act.remove(room, seq)}>Delete</button>
        <button type="button" class="secondary" @click=${() => act.closeDialog()}>Keep it</button>
      </div>`,
  );

/** @param {State} state @param {Actions} act */
const helpView = (state, act) =>
  dialogView(
    state,
    act,
    "Help",
    html` <h3>Keys</h3>
      <dl class="keys">
        <dt><kbd>Enter</kbd></dt>
        <dd>send, <kbd>Shift</kbd> <kbd>Enter</kbd> begins a line</dd>
        <dt><kbd>↑</kbd></dt>
        <dd>in an empty field: edit your last message</dd>
        <dt><kbd>Tab</kbd></dt>
        <dd>complete <code>@name</code>, <code>/command</code> or <code>:emoji:</code></dd>
        <dt><kbd>Alt</kbd> <kbd>↑</kbd> <kbd>↓</kbd></dt>
        <dd>the room above or below</dd>
        <dt><kbd>Ctrl</kbd> <kbd>K</kbd></dt>
        <dd>search</dd>
      </dl>
      <h3>Commands</h3>
      <dl class="commands">
        ${state.commands.map(
          (usage) =>
            html`<dt><code>/${usage.command} ${usage.usage}</code></dt>
              <dd>
                ${withoutAliases(usage)}${
                  namesOf(usage).length > 1
                    ? ` (also ${namesOf(usage)
                        .slice(1)
                        .map((name) => `/${name}`)
                        .join(", ")})`
                    : ""
                }
              </dd>`,
        )}
      </dl>`,
  );
