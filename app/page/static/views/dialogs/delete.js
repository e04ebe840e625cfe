// Asks before a message is deleted.

import { t } from "../../i18n/messages.js";
import { html } from "../../vendor/lit-html.js";
import { textView } from "../text.js";
import { dialogView } from "./dialog.js";

/** @typedef {import("../../types.d.ts").State} State */

/**
 * @param {State} state
 * @param {Extract<State["dialog"], { kind: "delete" }>} dialog
 * @param {import("../../actions/actions.js").Actions} act
 */
export const deleteView = (state, { room, seq, text }, act) =>
  dialogView(
    state,
    act,
    t("delete.title"),
    html` <blockquote>${textView(text, state, { room })}</blockquote>
      <p>${t("delete.body")}</p>
      <div class="buttons">
        <button type="button" class="danger" @click=${() => void act.remove(room, seq)}>${t("delete.confirm")}</button>
        <button type="button" class="secondary" @click=${() => act.closeDialog()}>${t("dialog.cancel")}</button>
      </div>`,
  );
