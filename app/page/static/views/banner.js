// A strip above the messages: the connection is lost, or there is a question.

import { waitTime } from "../i18n/format.js";
import { t } from "../i18n/messages.js";
import { UNKNOWN } from "../state/initial.js";
import { html, nothing } from "../vendor/lit-html.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** The state of the connection in words.
 * @param {State["connection"]} connection
 */
export function connectionText({ phase, why, attempt }) {
  if (phase === "open") return t("status.connected");
  if (phase === "connecting") return t(attempt ? "status.reconnecting" : "status.connecting");
  if (phase === "waiting") return t("status.retrying", { why });
  return phase === "ended" ? why : t("status.closed");
}

/** @param {State} state @param {Actions} act */
export function bannerView(state, act) {
  const { connection, now } = state;
  if (connection.phase === "ended") {
    return strip(
      connection.why,
      button(t("banner.reconnect"), () => act.reconnect()),
    );
  }
  if (connection.phase === "waiting") {
    const left = Math.max(0, connection.until - now);
    return strip(
      t("banner.retrying", { why: connection.why, wait: left ? waitTime(left) : "" }),
      connection.signIn
        ? button(t("banner.signin"), () => window.location.reload())
        : button(t("banner.retry"), () => act.reconnect()),
    );
  }
  if (connection.phase === "connecting" && connection.attempt) return strip(t("status.reconnecting"), nothing);
  if (state.asksToNotify) {
    const accept = button(t("banner.notify.accept"), () => void act.notify(true));
    const decline = button(t("banner.notify.decline"), () => void act.notify(false));
    return strip(t("banner.notify"), html`${accept} ${decline}`, "ask");
  }
  return nothing;
}

/** The room can't be read or written in: nobody joined it, or was let in.
 * @param {import("../types.d.ts").Room} room
 * @param {Actions} act
 */
export const leftView = ({ name, why, position, returning }, act) =>
  strip(
    t("banner.left", { why }),
    button(t(position === UNKNOWN && !returning ? "banner.again" : "banner.rejoin"), () => act.join(name)),
  );

/** @param {string} text @param {unknown} buttons @param {string} [kind] */
const strip = (text, buttons, kind = "") =>
  html`<div class="banner ${kind}"><span dir="auto">${text}</span><span class="buttons">${buttons}</span></div>`;

/** @param {string} label @param {() => void} click */
const button = (label, click) => html`<button type="button" class="secondary" @click=${click}>${label}</button>`;
