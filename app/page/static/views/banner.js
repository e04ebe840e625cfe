// What is in the way, and what becomes of it: a strip above the messages.

import { html, nothing } from "../vendor/lit-html.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** The state of the connection in words.
 * @param {State["connection"]} connection
 */
export function wordsOf({ phase, why, attempt }) {
  if (phase === "open") return "Connected";
  if (phase === "connecting") return attempt ? "Connecting again …" : "Connecting …";
  if (phase === "waiting") return `${why} Trying again …`;
  return phase === "ended" ? why : "Not connected";
}

/** @param {State} state @param {Actions} act */
export function bannerView(state, act) {
  const { connection, now } = state;
  if (connection.phase === "ended") {
    return strip(
      connection.why,
      button("Connect", () => act.reconnect()),
    );
  }
  if (connection.phase === "waiting") {
    const seconds = Math.max(0, Math.ceil((connection.until - now) / 1000));
    const when = seconds ? `Trying again in ${seconds} s.` : "Trying again.";
    return strip(
      `${connection.why} ${when} What you write is kept and sent then.`,
      button("Try now", () => act.reconnect()),
    );
  }
  if (connection.phase === "connecting" && connection.attempt) return strip("Connecting again …", nothing);
  if (state.asking) {
    return strip(
      "Get a notification when somebody mentions you or whispers to you?",
      html` ${button("Yes", () => void act.notify(true))} ${button("Not now", () => void act.notify(false))}`,
      "ask",
    );
  }
  return nothing;
}

/** @param {string} words @param {unknown} buttons @param {string} [kind] */
const strip = (words, buttons, kind = "") =>
  html`<div class="banner ${kind}"><span>${words}</span><span class="buttons">${buttons}</span></div>`;

/** @param {string} label @param {() => void} click */
const button = (label, click) => html`<button type="button" class="secondary" @click=${click}>${label}</button>`;
