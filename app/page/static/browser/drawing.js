// When the page is drawn, and where the focus goes.

import { initial } from "../state/initial.js";
import { render } from "../vendor/lit-html.js";

/** @typedef {import("../types.d.ts").State} State */

/** Changes that nobody on this page made. They are drawn at most this often, in milliseconds; what the person does is
 * drawn in the next frame. */
const BACKGROUND = new Set(["frame", "read", "tick"]);
const GAP = 100;

/**
 * @param {HTMLElement} root
 * @param {() => State} get
 * @param {object} options
 * @param {(state: State) => unknown} options.view
 * @param {import("./scrolling.js").Scrolling} options.scrolling
 * @param {() => boolean} options.wide whether the window is wide
 */
export function createDrawing(root, get, { view, scrolling, wide }) {
  let frame = 0;
  let drawnAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** The state that was drawn last. At first it differs from both screens, by the name or by the room. */
  let drawn = initial({ screen: "chat" });

  /** Draws in the next frame after `wait` milliseconds. A hidden page has no frames: it is drawn when it is seen again.
   * @param {number} wait
   */
  function schedule(wait) {
    if (frame) return;
    if (wait > 0) {
      timer ??= setTimeout(() => schedule(0), wait);
      return;
    }
    clearTimeout(timer);
    timer = undefined;
    frame = requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    drawnAt = performance.now();
    const state = get();
    const before = drawn;
    drawn = state;
    if (state.current !== before.current || state.screen !== before.screen) scrolling.leave();
    scrolling.before();
    render(view(state), root);
    scrolling.after(state);
    focus(state, before);
  }

  /** Moves the focus to where the person goes on. In a narrow window it stays, since a keyboard would come up.
   * @param {State} state
   * @param {State} before
   */
  function focus(state, before) {
    const moved = state.current !== before.current || state.screen !== before.screen;
    const edits = Boolean(state.editing) !== Boolean(before.editing);
    const searches = state.searching && !before.searching && state.search.words === "";
    const field = state.screen === "name" ? "#name" : searches ? "#words" : "#text";
    if (!edits && !searches && !(moved && wide()) && state.screen !== "name") return;
    if (state.screen === "name" && !moved) return;
    const element = root.querySelector(field);
    if (element instanceof HTMLElement) element.focus();
  }

  return {
    draw,
    /** The state changed. @param {string} type of the action */
    changed: (type) => schedule(BACKGROUND.has(type) ? drawnAt + GAP - performance.now() : 0),
  };
}
