// Keyboard shortcuts that work everywhere on the page.

import { unread } from "../state/unread.js";
import { composes } from "./field.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/**
 * @param {() => State} state
 * @param {Actions} act
 */
export function listenToKeys(state, act) {
  addEventListener("keydown", (event) => {
    if (state().screen !== "chat" || state().dialog || composes(event) || event.defaultPrevented) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      act.search();
      // A panel that opens gets the focus when it is drawn.
      focusOn("#words");
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      step(state(), act, event.key === "ArrowUp" ? -1 : 1, event.shiftKey);
    } else if (event.key === "Escape") escape(state(), act);
    else if (isText(event)) focusOn("#text");
  });
}

/** Whether a letter is typed outside any field: it goes into the composer.
 * @param {KeyboardEvent} event
 */
function isText({ key, ctrlKey, metaKey, altKey, target }) {
  if (key.length !== 1 || key === " " || ctrlKey || metaKey || altKey) return false;
  return !(target instanceof Element && target.closest("input, textarea, select, button, a"));
}

/** @param {string} selector */
const focusOn = (selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector))?.focus();

/** Goes to the room above or below, or with `unreadOnly` to the next one that has unread messages.
 * @param {State} state
 * @param {Actions} act
 * @param {number} by
 * @param {boolean} unreadOnly
 */
function step(state, act, by, unreadOnly) {
  const links = [...document.querySelectorAll('nav a[href^="#"]')].map(
    (link) => link.getAttribute("href")?.slice(1) ?? "",
  );
  const at = links.indexOf(state.current);
  for (let offset = 1; offset <= links.length; offset++) {
    const name = links[(at + by * offset + links.length * offset) % links.length];
    if (!unreadOnly || unread(state, state.rooms[name]).count) return act.go(name);
  }
}

/** @param {State} state @param {Actions} act */
function escape(state, act) {
  if (state.drawer) act.drawer(false);
  else act.latest();
}
