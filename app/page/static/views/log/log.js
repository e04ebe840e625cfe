// The messages of a room.

import { listed, t } from "../../i18n/messages.js";
import { positionOf } from "../../state/log.js";
import { unread } from "../../state/unread.js";
import { guard, html, nothing, ref, repeat } from "../../vendor/lit-html.js";
import { icon } from "../icons.js";
import { rowView } from "./message.js";
import { rowsOf } from "./rows.js";

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
      aria-label=${t("log.messages")}
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
          ? startView(state, room)
          : html`<p class="more" aria-hidden="true">${room.loading ? t("log.loading") : ""}</p>`
      }
      <ol>
        ${repeat(
          rows,
          ({ key }) => key,
          (row) => guard(dependencies(state, row), () => rowView(state, room, row, act)),
        )}
      </ol>
    </div>
    ${jumpView(state, room, act)}
  </div>`;
}

/** What the view of a row depends on: while that is the same, the row is not drawn again.
 * @param {State} state
 * @param {import("./rows.js").Row} row
 */
function dependencies(state, row) {
  if (row.kind === "day") return [row.ts, new Date(state.now).getDate(), state.zone];
  if (row.kind === "missed") return [row.count];
  if (row.kind === "new") return [row.key];
  if (row.kind === "pending") return [row.pending, row.first, state.me, state.reading, state.zone, state.expanded.get(row.key)];
  const { entry } = row;
  const target = state.target?.seq === entry.seq && state.target;
  const editing = state.editing?.seq === positionOf(entry);
  const active = state.active === entry.id && [state.rooms[state.current]?.rank];
  const { names, reading, settings, zone, expanded } = state;
  const known = /[@#]/.test(entry.text ?? "") && reading?.knownIn(state, entry.room);
  const view = [names, reading, known, settings.bareNames, zone, expanded.get(entry.id)];
  return [entry, row.first, row.amendment, String(active), target, editing, ...view];
}

/** @param {State} state @param {Room} room */
function startView(state, room) {
  const { conversation, name, others, log } = room;
  const names = listed(others);
  const empty = !log.entries.length && !state.outbox.some((one) => one.room === name);
  return html`<div class="beginning">
    <h2 dir="auto">${conversation ? names || t("person.self") : `#${name}`}</h2>
    <p>
      ${conversation ? conversationText(names) : t("log.start")} ${empty ? html`<br />${t("log.empty")}` : nothing}
    </p>
  </div>`;
}

/** @param {string} names */
const conversationText = (names) => (names ? t("log.conversation", { names }) : t("log.conversation.self"));

/** The button that leads to the end of the room, while that is not in view.
 * @param {State} state
 * @param {Room} room
 * @param {Actions} act
 */
function jumpView(state, room, act) {
  if (room.following && room.log.live) return nothing;
  const { count } = unread(state, room);
  return html`<button type="button" class=${count ? "pill news" : "pill"} @click=${() => act.latest()}>
    ${icon("down")}${count ? t("log.new_messages", { count }) : t("log.latest")}
  </button>`;
}

/** Makes the row that has the pointer or the focus the active one, which shows its tools.
 * @param {Actions} act
 */
const activate =
  (act) =>
  (/** @type {Event} */ { target }) => {
    const row = target instanceof Element ? target.closest("[data-id]") : null;
    act.activate(row?.getAttribute("data-id") ?? "");
  };
