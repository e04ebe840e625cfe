// The page begins here: the parts are made, and put together.

import { createActions } from "./actions/actions.js";
import { createConnection } from "./connection/connection.js";
import { keeping, restored } from "./state/persistence.js";
import { listen } from "./browser/keys.js";
import { notifying, permission, permit } from "./browser/notifications.js";
import { reading } from "./state/readmarker.js";
import { reduce } from "./state/reduce.js";
import { format, parse } from "./browser/address.js";
import { createScrolling } from "./browser/scrolling.js";
import { createSession } from "./connection/session.js";
import { initial } from "./state/initial.js";
import { createStorage } from "./browser/storage.js";
import { createStore } from "./state/store.js";
import { render } from "./vendor/lit-html.js";
import { pageView } from "./views/page.js";

/** @typedef {import("./types.d.ts").State} State */

const WIDE = 900;
const SECOND = 1_000;

const page = new URL("./", document.baseURI);
const kept = createStorage(page.pathname, localStorage, sessionStorage);
const known = restored(kept);
const [first = ""] = Object.keys(known.rooms ?? {});
const start = parse(location.hash)?.room ?? parse(kept.get("current", ""))?.room ?? first;
const store = createStore(
  reduce,
  initial({
    ...known,
    current: start,
    now: Date.now(),
    permission: permission(),
    people: innerWidth >= WIDE,
  }),
);
const connection = createConnection({
  page,
  identity: () => session.identity(),
  onFrame: (frame) => session.received(frame),
  onState: (state) => session.changed(state),
});
const session = createSession({ store, connection, keep });
const act = createActions(store, session, permit);
const scrolling = createScrolling(() => act);

/** @param {{ token: string, id: number, name: string } | null} account */
function keep(account) {
  kept.set("account", account);
  if (account) kept.set("name", account.name);
  else kept.set("rooms", null);
}

const root = /** @type {HTMLElement} */ (document.querySelector("#page"));
/** What comes by itself is drawn so often at most, in milliseconds; what the person does, in the next frame. */
const GAP = 100;
const BY_ITSELF = new Set(["frame", "read", "tick"]);
let drawing = 0;
let drawnAt = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let waiting;
/** What was drawn last: at first nothing, from which both screens differ, by name or by room. */
let shown = initial({ screen: "chat" });

/** Draws in a frame to come. A hidden page has none, and is drawn when it is seen again.
 * @param {number} wait
 */
function drawIn(wait) {
  if (drawing) return;
  if (wait > 0) {
    waiting ??= setTimeout(() => drawIn(0), wait);
    return;
  }
  clearTimeout(waiting);
  waiting = undefined;
  drawing = requestAnimationFrame(draw);
}

function draw() {
  drawing = 0;
  drawnAt = performance.now();
  const state = store.get();
  const before = shown;
  shown = state;
  if (state.current !== before.current || state.screen !== before.screen) scrolling.leave();
  scrolling.before();
  render(pageView(state, act, scrolling), root);
  scrolling.after(state);
  focus(state, before);
}

/** The focus goes to where one goes on. On a narrow page it stays: a keyboard would come up.
 * @param {State} state
 * @param {State} before
 */
function focus(state, before) {
  const moved = state.current !== before.current || state.screen !== before.screen;
  const edits = Boolean(state.editing) !== Boolean(before.editing);
  const searches = state.searching && !before.searching && state.search.words === "";
  const field = state.screen === "name" ? "#name" : searches ? "#words" : "#text";
  if (!edits && !searches && !(moved && innerWidth >= WIDE) && state.screen !== "name") return;
  if (state.screen === "name" && !moved) return;
  const element = root.querySelector(field);
  if (element instanceof HTMLElement) element.focus();
}

/** @param {State["settings"]} settings */
function dress({ theme }) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

const look = () => {
  const watching = !document.hidden && document.hasFocus();
  if (watching !== store.get().watching) act.set({ watching });
};

store.subscribe((state, { type }, before) => {
  if (state.settings !== before.settings) dress(state.settings);
  if (state.current !== before.current && !location.hash) history.replaceState(null, "", format(state.current));
  drawIn(BY_ITSELF.has(type) ? drawnAt + GAP - performance.now() : 0);
});
keeping(store, kept);
reading(store, session.read);
notifying(store, {
  announcer: /** @type {HTMLElement} */ (document.querySelector("#announcer")),
  show: (room) => act.go(room),
});
listen(store.get, act);

for (const event of ["visibilitychange", "focus", "blur"]) {
  (event === "visibilitychange" ? document : window).addEventListener(event, look);
}
addEventListener("hashchange", () => act.route());
setInterval(() => {
  const state = store.get();
  const counts =
    state.connection.phase === "waiting" || Object.keys(state.rooms[state.current]?.typing ?? {}).length > 0;
  if (counts || Date.now() - state.now > 60 * SECOND) store.dispatch({ type: "tick" });
}, SECOND);

dress(store.get().settings);
if (start && !location.hash) history.replaceState(null, "", format(start));
act.route();
look();
const account = kept.get("account");
if (account) session.resume(account.token);
draw();

if ("serviceWorker" in navigator) navigator.serviceWorker.register("worker.js").catch(() => null);
