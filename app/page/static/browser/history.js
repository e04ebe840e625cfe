// The browser's history. What is open over the messages has an entry of its own there, so that Back closes it instead of
// leaving the chat.

import { parse } from "./address.js";

/** @typedef {import("../types.d.ts").State} State */

/** Whether panels cover the messages, rather than being beside them. */
export const panelsCover = () => matchMedia("(max-width: 56rem)").matches;

/** Goes to another address in the page. If something is open, that goes with its entry.
 * @param {string} hash
 * @param {() => void} route shows what the address names
 */
export function visit(hash, route) {
  if (returning) addEventListener("popstate", () => visit(hash, route), { once: true });
  else if (location.hash === hash) route();
  else if (!levelOf(history.state)) location.hash = hash;
  else {
    history.replaceState(null, "", hash);
    route();
  }
}

/** Names another address for what is in view. @param {string} hash */
export const rename = (hash) => history.replaceState(history.state, "", hash);

/** The page goes back by itself, which takes a moment. */
let returning = false;

/** How many things are open in an entry of the history. @param {any} state */
const levelOf = (state) => Number(state?.level ?? 0);

/** What is open over the messages, the topmost first, and how to close it.
 * @param {State} state
 * @returns {Partial<State>[]}
 */
function opened({ dialog, drawer, searching, people, rooms, current }) {
  const open = [];
  if (dialog) open.push({ dialog: null, problem: "" });
  if (drawer) open.push({ drawer: false });
  if (panelsCover() && searching) open.push({ searching: false });
  else if (panelsCover() && people && rooms[current] && !rooms[current].conversation) open.push({ people: false });
  return open;
}

/** Keeps the history in step with what is open.
 * @param {import("../types.d.ts").Store} store
 * @param {(room: string, seq: number) => void} go
 */
export function keepHistory(store, go) {
  let due = false;

  function update() {
    due = false;
    if (returning || store.get().screen !== "chat") return;
    const level = opened(store.get()).length;
    for (let next = levelOf(history.state) + 1; next <= level; next++) history.pushState({ level: next }, "");
    if (levelOf(history.state) === level) return;
    returning = true;
    history.go(level - levelOf(history.state));
  }

  function later() {
    if (!due) queueMicrotask(update);
    due = true;
  }

  history.replaceState(null, "");
  store.subscribe(later);
  addEventListener("popstate", () => {
    if (!returning) {
      const open = opened(store.get());
      for (const change of open.slice(0, Math.max(0, open.length - levelOf(history.state))))
        store.dispatch({ type: "set", change });
    }
    returning = false;
    later();
  });
  addEventListener("click", (event) => {
    const { target, button, ctrlKey, metaKey, shiftKey, defaultPrevented } = event;
    const link = target instanceof Element ? target.closest('a[href^="#"]') : null;
    const place = parse(link?.getAttribute("href") ?? "");
    if (!place || button || ctrlKey || metaKey || shiftKey || defaultPrevented) return;
    event.preventDefault();
    go(place.room, place.seq);
  });
}
