// Who is banned, muted or invited in a room, for its operators.

import { dateTime } from "../../i18n/format.js";
import { t } from "../../i18n/messages.js";
import { html, nothing, repeat } from "../../vendor/lit-html.js";
import { nameView } from "../names.js";
import { isInForce, moderate } from "./moderate.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Moderated} Moderated */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/** @param {State} state @param {import("../../types.d.ts").Room} room @param {Actions} act */
export function moderatedView(state, { moderation }, act) {
  if (!moderation) return nothing;
  const { bans, mutes, invitations } = moderation;
  return [
    listView(state, t("moderated.bans"), bans, "unban", t("moderation.unban"), act),
    listView(state, t("moderated.mutes"), mutes, "unmute", t("moderation.unmute"), act),
    listView(state, t("moderated.invitations"), invitations, "uninvite", t("room_dialog.uninvite"), act),
  ];
}

/** @param {State} state @param {string} title @param {readonly Moderated[]} all
 * @param {string} lift the request that takes it back
 * @param {string} label
 * @param {Actions} act
 */
function listView(state, title, all, lift, label, act) {
  const list = all.filter(({ id }) => isInForce(all, id, state.now));
  if (!list.length) return nothing;
  return html`<section class="moderated">
    <h3>${title}</h3>
    <ul>
      ${repeat(
        list,
        ({ id }) => id,
        (one) =>
          html`<li>
            <span class="two-lines"
              >${nameView(one.name, one.id)} <span class="quiet" dir="auto">${aboutText(one, lift)}</span></span
            >
            <button
              type="button"
              class=${lift === "uninvite" ? "secondary harms" : "secondary"}
              aria-label=${t("moderated.lift", { action: label, name: one.name })}
              @click=${() => moderate(state, { t: lift, name: one.name, user: one.id }, act)}
            >
              ${label}
            </button>
          </li>`,
      )}
    </ul>
  </section>`;
}

/** Under which name it was, by whom, until when, and why.
 * @param {Moderated} entry
 * @param {string} lift
 */
function aboutText({ was, by, until, why, seq }, lift) {
  const end = until ? t("moderated.until", { until: dateTime(until) }) : t("moderated.forever");
  const before = was && t("moderated.was", { name: was });
  const id = why && seq && t("moderated.id", { seq });
  return [before, t("moderated.by", { name: by }), lift !== "uninvite" && end, id, why].filter(Boolean).join(" · ");
}
