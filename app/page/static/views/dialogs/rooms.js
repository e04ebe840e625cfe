// Joining a room: one of those that there are, or another.

import { html, nothing, repeat } from "../../vendor/lit-html.js";
import { dialogView, fields } from "./dialog.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act */
export const roomsView = (state, act) =>
  dialogView(
    state,
    act,
    "Join a room",
    html` <form class="line" @submit=${fields(({ room }) => go(act, room.trim().replace(/^#/, "").toLowerCase()))}>
        <label for="room">Name</label>
        <input
          id="room"
          name="room"
          required
          pattern="#?[A-Za-z0-9][A-Za-z0-9._\\-]{0,63}"
          autocomplete="off"
          autocapitalize="off"
          title="1 to 64 of a to z, 0 to 9, and . _ - inside"
          placeholder="A new room, or one there is"
          data-focus
        />
        <button class="primary">Join</button>
      </form>
      <h3>With people in them</h3>
      <ul class="directory">
        ${repeat(
          state.directory,
          ({ room }) => room,
          ({ room, members, topic }) =>
            html`<li>
              <button type="button" class="entry" @click=${() => go(act, room)}>
                <span class="who"
                  ><bdi class="label">#${room}</bdi>
                  ${topic ? html`<span class="quiet" dir="auto">${topic}</span>` : nothing}</span
                >
                <span class="quiet">${members}<span class="hidden"> ${members === 1 ? "person" : "people"}</span></span>
              </button>
            </li>`,
        )}
      </ul>`,
  );

/** @param {Actions} act @param {string} room */
function go(act, room) {
  act.closeDialog();
  act.go(room);
}
