// What operators do to somebody: the buttons for it, and the question before something that hurts.

import { duration } from "../../i18n/format.js";
import { t } from "../../i18n/messages.js";
import { html, nothing } from "../../vendor/lit-html.js";
import { dialogView } from "./dialog.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Room} Room */

/** What takes something from somebody, or opens what was closed: it is done after a question. */
export const HARMS = Object.freeze({
  kick: /** @type {const} */ (["moderate.kick.title", "moderate.kick.body", "moderation.kick"]),
  mute: /** @type {const} */ (["moderate.mute.title", "moderate.mute.body", "moderation.mute"]),
  ban: /** @type {const} */ (["moderate.ban.title", "moderate.ban.body", "moderation.ban"]),
  deop: /** @type {const} */ (["moderate.deop.title", "moderate.deop.body", "moderation.remove_operator"]),
  uninvite: /** @type {const} */ (["moderate.uninvite.title", "moderate.uninvite.body", "room_dialog.uninvite"]),
  private: /** @type {const} */ (["moderate.private.title", "moderate.private.body", "room_dialog.make_private"]),
  public: /** @type {const} */ (["moderate.public.title", "moderate.public.body", "room_dialog.make_public"]),
});

/** Asks before something is done to somebody.
 * @param {State} state
 * @param {Room} room
 * @param {Extract<State["dialog"], { kind: "moderate" }>} dialog
 * @param {import("../../actions/actions.js").Actions} act
 */
export function moderateView(state, room, { act: what, before }, act) {
  const [title, body, confirm] = HARMS[/** @type {keyof typeof HARMS} */ (what.t)];
  const { name, why, seconds } = what;
  const interval = seconds ? duration(seconds) : "";
  const cancel = () => {
    if (before?.kind === "person") act.dialog({ ...before, why, seconds });
    else if (before) act.dialog(before);
  };
  const carryOut = async () => {
    if (!(await act.moderate(what))) return;
    if (before?.kind === "room") act.dialog(before);
    else act.closeDialog(state.dialog);
  };
  return dialogView(
    state,
    act,
    t(title, { name, room: room.name }),
    html` <p>${t(body, { name, room: room.name, interval })}</p>
      ${why ? html`<p dir="auto">${t("moderate.reason", { why })}</p>` : nothing}
      <div class="buttons">
        <button type="button" class="danger" @click=${carryOut}>${t(confirm)}</button>
        <button type="button" class="secondary" @click=${cancel}>${t("dialog.cancel")}</button>
      </div>`,
  );
}

/** Does something to somebody, after a question if it hurts.
 * @param {State} state
 * @param {import("../../types.d.ts").Act} what
 * @param {import("../../actions/actions.js").Actions} act
 */
export function moderate({ dialog }, what, act) {
  if (Object.hasOwn(HARMS, what.t)) act.dialog({ kind: "moderate", act: what, before: dialog });
  else void act.moderate(what);
}

/** Whether somebody is in a list, and not only until a time that has passed.
 * @param {readonly import("../../types.d.ts").Moderated[] | undefined} list
 * @param {number | undefined} user
 * @param {number} now
 */
export const isInForce = (list, user, now) =>
  list?.some(({ id, until }) => id === user && (!until || Date.parse(until) > now)) ?? false;

/** A button that submits its form with the type of a request.
 * @param {string} type
 * @param {string} label
 */
export const submitButton = (type, label) =>
  html`<button name="t" value=${type} class=${Object.hasOwn(HARMS, type) ? "secondary harms" : "secondary"}>
    ${label}
  </button>`;
