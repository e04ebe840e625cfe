// The page's parts, and how they are connected.

import { createActions } from "./actions/actions.js";
import { format, parse } from "./browser/address.js";
import { createDrawing } from "./browser/drawing.js";
import { ignoreFiles } from "./browser/dropping.js";
import { keepField } from "./browser/field.js";
import { keepHistory, rename } from "./browser/history.js";
import { listenToKeys } from "./browser/keys.js";
import { sendNotifications } from "./browser/notifications.js";
import { askPermission, permission } from "./browser/permission.js";
import { createScrolling } from "./browser/scrolling.js";
import { createStorage } from "./browser/storage.js";
import { createConnection } from "./connection/connection.js";
import { createSession } from "./connection/session.js";
import { initial } from "./state/initial.js";
import { timeZone } from "./i18n/format.js";
import { renewFormatters } from "./i18n/messages.js";
import { persist, restore } from "./state/persistence.js";
import { reportReading } from "./state/readmarker.js";
import { reduce } from "./state/reduce.js";
import { createStore } from "./state/store.js";
import { pageView } from "./views/page.js";

/** @typedef {import("./types.d.ts").State} State */

/** From this width on, in pixels, the people of a room are shown beside it. */
const WIDE = 900;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

export function startPage() {
  const address = new URL("./", document.baseURI);
  const storage = createStorage(
    address.pathname,
    () => localStorage,
    () => sessionStorage,
  );
  const restored = restore(storage);
  const [firstRoom = ""] = Object.keys(restored.rooms ?? {});
  const current = parse(location.hash)?.room ?? parse(storage.get("current", ""))?.room ?? firstRoom;
  const store = createStore(
    reduce,
    initial({
      ...restored,
      current,
      now: Date.now(),
      zone: timeZone(),
      permission: permission(),
      people: innerWidth >= WIDE,
    }),
  );
  const connection = createConnection({
    page: address,
    identity: () => session.identity(),
    onFrame: (frame) => session.received(frame),
    onState: (state) => session.changed(state),
  });
  const session = createSession({ store, connection, keep: (account) => keepAccount(storage, account) });
  const act = createActions(store, session, askPermission);
  /** @type {import("./views/page.js").Later} */
  let later;
  const scrolling = createScrolling(() => act);
  const drawing = createDrawing(elementOf("#page"), store.get, {
    view: (state) => pageView(state, act, scrolling, later),
    scrolling,
    wide: () => innerWidth >= WIDE,
  });

  store.subscribe((state, { type }, before) => {
    if (state.settings !== before.settings) applyTheme(state.settings);
    if (state.current !== before.current && !location.hash) rename(format(state.current));
    if (state.dialog !== before.dialog || state.screen !== before.screen || state.searching) void loadLater(state);
    if (state.connection.phase !== before.connection.phase) void loadReading(store);
    if (type === "latest") scrolling.jump();
    drawing.changed(type);
  });
  persist(store, storage);
  keepField(store, () => document.querySelector("#text"));
  addEventListener("pagehide", reportReading(store, session.read));
  sendNotifications(store, { announcer: elementOf("#announcer"), show: (room) => act.go(room), storage });
  listenToKeys(store.get, act);
  ignoreFiles();
  addEventListener("hashchange", () => act.route());
  watchFocus(store, act);
  setInterval(() => tick(store), SECOND);

  /** Loads the views that the first screens have no need of: at once for one to show, or else when there is time.
   * @param {State} state
   */
  async function loadLater({ screen, dialog, searching }) {
    if (later || screen === "name") return;
    if (!dialog && !searching) await new Promise((then) => (window.requestIdleCallback ?? setTimeout)(then));
    const loaded = await import("./views/later.js").catch(() => undefined);
    if (!loaded && dialog) act.closeDialog(dialog);
    if (later || !loaded) return;
    later = loaded;
    drawing.draw();
    if (searching) elementOf("#words")?.focus();
  }

  applyTheme(store.get().settings);
  keepHistory(store, act.go);
  if (current && !location.hash) rename(format(current));
  act.route();
  const account = storage.get("account");
  if (account) session.resume(account.token);
  storage.watch("account", session.adopt);
  drawing.draw();
  void loadLater(store.get());
}

/** @param {string} selector */
const elementOf = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));

/**
 * @param {ReturnType<typeof createStorage>} storage
 * @param {{ token: string, id: number, name: string } | null} account null after logging out
 */
function keepAccount(storage, account) {
  storage.set("account", account);
  if (account) storage.set("name", account.name);
}

/** @param {State["settings"]} settings */
function applyTheme({ theme }) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Loads what is about the texts of people, which nobody needs before there is a connection. Without it they are shown as
 * they are.
 * @param {import("./types.d.ts").Store} store
 */
async function loadReading(store) {
  if (store.get().reading) return;
  try {
    const [reading, copying] = await Promise.all([import("./text/reading.js"), import("./browser/copying.js")]);
    document.addEventListener("copy", copying.copyConversation);
    store.dispatch({ type: "set", change: { reading } });
  } catch {
    return; // the next connection tries again
  }
}

/** Keeps up whether somebody looks at the page.
 * @param {import("./types.d.ts").Store} store
 * @param {import("./actions/actions.js").Actions} act
 */
function watchFocus(store, act) {
  const update = () => {
    const watching = !document.hidden && document.hasFocus();
    if (watching !== store.get().watching) act.set({ watching });
  };
  document.addEventListener("visibilitychange", update);
  addEventListener("focus", update);
  addEventListener("blur", update);
  update();
}

/** Tells the state what time it is and in which zone: each second while something counts down, otherwise each minute.
 * @param {import("./types.d.ts").Store} store
 */
function tick(store) {
  const { connection, rooms, current, now, zone } = store.get();
  const currentZone = timeZone();
  if (zone !== currentZone) {
    renewFormatters();
    store.dispatch({ type: "set", change: { zone: currentZone } });
  }
  const countsDown = connection.phase === "waiting" || Object.keys(rooms[current]?.typing ?? {}).length > 0;
  if (countsDown || Date.now() - now > MINUTE) store.dispatch({ type: "tick" });
}
