// The messages of a room: a list that knows when its end is in view, and stays where it is when something is put
// above it.

import { guard, html, nothing, ref, repeat } from "../../vendor/lit-html.js";
import { positionOf } from "../../state/log.js";
import { rowsOf } from "./rows.js";
import { unread } from "../../state/unread.js";
import { listed } from "../hues.js";
import { icon } from "../icons.js";
import { rowView } from "./message.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Room} Room */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/**
 * @param {State} state
 * @param {Room} room
 * @param {Actions} act
 * @param {import("../../browser/scrolling.js").Scrolling} scrolling
 */
export function logView(state, room, act, scrolling) {
  const { log } = room;
  const rows = rowsOf(state, room);
  return html`<div class="log-frame">
    <div
      class="log"
      role="log"
      aria-label="Messages"
      aria-live="off"
      tabindex="0"
      ${ref(scrolling.attach)}
      @scroll=${scrolling.scrolled}
      @keydown=${scrolling.moved}
      @focusin=${activate(act)}
      @mouseover=${activate(act)}
      @mouseleave=${() => act.activate("")}
      @click=${activate(act)}
    >
      ${
        log.oldest
          ? beginning(state, room)
          : html`<p class="more" aria-hidden="true">${room.loading ? "Loading …" : ""}</p>`
      }
      <ol>
        ${repeat(
          rows,
          ({ key }) => key,
          (row) => guard(dependencies(state, row), () => rowView(state, room, row, act)),
        )}
      </ol>
    </div>
    ${pill(state, room, act)}
  </div>`;
}

/** What the view of a row depends on: as long as it is the same, the row stays as it is.
 * @param {State} state
 * @param {import("./rows.js").Row} row
 */
function dependencies(state, row) {
  if (row.kind === "day") return [row.ts, new Date(state.now).getDate()];
  if (row.kind === "missed") return [row.count];
  if (row.kind === "new") return [row.key];
  if (row.kind === "pending") return [row.pending, row.first, state.me];
  const { entry } = row;
  const target = state.target?.seq === entry.seq && state.target;
  const editing = state.editing?.seq === positionOf(entry);
  const active = state.active === entry.id && [state.rooms[state.current]?.rank];
  return [entry, row.first, String(active), target, editing, state.names];
}

/** @param {State} state @param {Room} room */
function beginning(state, room) {
  const among = room.others.length ? ` and ${listed(room.others)}` : "";
  const quiet = !room.log.entries.length && !state.outbox.some((one) => one.room === room.name);
  return html`<div class="beginning">
    <h2 dir="auto">${room.conversation ? listed(room.others) : `#${room.name}`}</h2>
    <p>
      ${room.conversation ? `Only you${among} see what is said here.` : "This is where the room begins."}
      ${quiet ? html`<br />Nothing was said yet. Say hello.` : nothing}
    </p>
  </div>`;
}

/** @param {State} state @param {Room} room @param {Actions} act */
function pill(state, room, act) {
  if (room.following && room.log.live) return nothing;
  const { count } = unread(state, room);
  const label = count ? `${count} new ${count === 1 ? "message" : "messages"}` : "To the end";
  return html`<button type="button" class=${count ? "pill news" : "pill"} @click=${() => act.latest()}>
    ${icon("down")}${label}
  </button>`;
}

/** The row that has the pointer or the focus shows what can be done with it.
 * @param {Actions} act
 */
const activate =
  (act) =>
  (/** @type {Event} */ { target }) => {
    const row = target instanceof Element ? target.closest("[data-id]") : null;
    act.activate(row?.getAttribute("data-id") ?? "");
  };

/** @param {Room} room */
export function typingView(room) {
  const names = Object.keys(room.typing);
  if (!names.length) return html`<p class="typing"></p>`;
  const words =
    names.length > 3 ? "Several people are typing" : `${listed(names)} ${names.length === 1 ? "is" : "are"} typing`;
  return html`<p class="typing">
    <bdi>${words}</bdi><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>
  </p>`;
}
