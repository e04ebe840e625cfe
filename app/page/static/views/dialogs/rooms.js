// Joining a room: one from the list, or any other by its name.

import { t } from "../../i18n/messages.js";
import { html, nothing, repeat } from "../../vendor/lit-html.js";
import { dialogView, fields } from "./dialog.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act */
export const roomsView = (state, act) =>
  dialogView(
    state,
    act,
    t("join.title"),
    html` <form class="line" @submit=${fields(({ room }) => join(act, room.trim().replace(/^#/, "").toLowerCase()))}>
        <label for="room">${t("join.name")}</label>
        <input
          id="room"
          name="room"
          required
          pattern="#?[A-Za-z0-9][A-Za-z0-9._\\-]{0,63}"
          autocomplete="off"
          autocapitalize="off"
          title=${t("join.rule")}
          placeholder=${t("join.placeholder")}
          data-focus
          @input=${(/** @type {any} */ { target }) => act.findRooms(target.value)}
        />
        <button class="primary">${t("join.submit")}</button>
      </form>
      <h3>${t("join.browse")}</h3>
      <ul class="directory">
        ${repeat(
          state.directory.filter(({ room }) => room.includes(state.sought)),
          ({ room }) => room,
          (room) => entryView(room, act),
        )}
      </ul>`,
  );

/** @param {import("../../types.d.ts").RoomEntry} room @param {Actions} act */
const entryView = ({ room, members, topic }, act) =>
  html`<li>
    <button type="button" class="entry" @click=${() => join(act, room)}>
      <span class="two-lines"
        ><bdi class="label">#${room}</bdi>
        ${topic ? html`<span class="quiet" dir="auto">${topic}</span>` : nothing}</span
      >
      <span class="quiet">${t("room.people", { count: members })}</span>
    </button>
  </li>`;

/** @param {Actions} act @param {string} room */
function join(act, room) {
  act.closeDialog();
  act.join(room);
}
