// How people learn of messages while they look elsewhere: the title, a notification, a sound, and an announcement by a
// screen reader.

import { lineOf } from "../i18n/events.js";
import { listed, t } from "../i18n/messages.js";
import { isConversation, isMine, UNKNOWN } from "../state/initial.js";
import { isForReader, isMessage, unreadInAll } from "../state/unread.js";
import { serviceWorkers } from "./serviceworkers.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").LogEvent} LogEvent */

/** How long after a change the title shows it, in milliseconds: messages that are read at once never appear in it. */
const TITLE_DELAY = 100;
/** How long announcements are collected, in milliseconds, and how many of them are read out. */
const ANNOUNCEMENT_DELAY = 700;
const MOST_ANNOUNCEMENTS = 3;
/** How long what was read out stays there, in milliseconds. */
const ANNOUNCED = 10_000;
/** How long after the last missed message they are told of, in milliseconds: by then it is known what was read
 * elsewhere. */
const MISSED_DELAY = 2_000;

/**
 * @param {import("../types.d.ts").Store} store
 * @param {object} options
 * @param {HTMLElement} options.announcer what a screen reader reads out
 * @param {(room: string) => void} options.show
 * @param {Pick<ReturnType<typeof import("./storage.js").createStorage>, "get" | "set">} options.storage
 */
export function sendNotifications(store, { announcer, show, storage }) {
  const { announce, withdraw } = createAnnouncer(announcer);
  /** What came after a break of the connection. @type {LogEvent[]} */
  let missed = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let missedTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  serviceWorkers()?.addEventListener("message", ({ data }) => {
    if (typeof data?.room === "string") show(data.room); // of a notification that was clicked
  });
  store.subscribe((state, action, before) => {
    timer ??= setTimeout(() => {
      timer = undefined;
      updateTitle(store.get());
    }, TITLE_DELAY);
    const event = /** @type {LogEvent} */ (action.frame);
    if (action.type !== "frame") return;
    if (event.t === "delete" || event.t === "edit") forget(event);
    if (!isMessage(event)) return;
    if (isMine(state, event) || !isArrival(state, event, before)) return;
    if (wasMissed(state, event)) {
      missed.push(event);
      clearTimeout(missedTimer);
      missedTimer = setTimeout(tellOfMissed, MISSED_DELAY);
      return;
    }
    if (state.current === event.room || isConversation(event.room)) announce(event);
    if (concerns(state, event)) tell([event]);
  });

  /** Takes back what was told of a message, and is to be told: its text is gone. @param {LogEvent} change */
  function forget(change) {
    withdraw(change);
    missed = missed.filter((event) => !isOf(change, event));
    const { notifications } = store.get().settings;
    if (notifications) void import("./telling.js").then((telling) => telling.withdraw(change), () => null);
  }

  /** Tells of what was missed and is for the reader, once, unless it was read meanwhile, perhaps elsewhere. */
  function tellOfMissed() {
    const state = store.get();
    const unseen = missed.filter((event) => concerns(state, event) && event.seq > (state.rooms[event.room]?.read ?? 0));
    missed = [];
    if (unseen.length) tell(unseen.sort((a, b) => Date.parse(a.ts) - Date.parse(b.ts)));
  }

  /** @param {LogEvent[]} events */
  function tell(events) {
    const { settings, permission } = store.get();
    if (!settings.notifications && permission === "default" && !settings.asked) offer(store);
    if (!settings.notifications && !settings.sound) return;
    void import("./telling.js").then((telling) => telling.tell(events, { settings, storage, show }), () => null);
  }
}

/** Whether an event was pushed, and not known before.
 * @param {State} state
 * @param {LogEvent} event
 * @param {State} before
 */
function isArrival({ rooms }, { room, seq }, before) {
  const known = isConversation(room) ? before.whispers.position : before.rooms[room]?.position;
  return Object.hasOwn(rooms, room) && seq > (known ?? UNKNOWN);
}

/** Whether an event happened while there was no connection.
 * @param {State} state
 * @param {LogEvent} event
 */
const wasMissed = ({ rooms, whispers }, { room, seq }) =>
  seq <= (isConversation(room) ? whispers.head : rooms[room].head);

/** Whether an event is for the reader, who does not look at its room.
 * @param {State} state
 * @param {LogEvent} event
 */
const concerns = (state, event) => isForReader(state, event) && !(state.current === event.room && state.watching);

/** Asks whether to show notifications, when there is the first one to show.
 * @param {import("../types.d.ts").Store} store
 */
const offer = (store) => store.dispatch({ type: "set", change: { asksToNotify: true } });

/** Shows what is unread in the title, and on the icon of an installed page.
 * @param {State} state
 */
function updateTitle(state) {
  const { count, mentions: mine } = unreadInAll(state);
  const title = `${mine ? `(${mine}) ` : count ? "• " : ""}${titleOf(state)}`;
  if (title === document.title) return;
  document.title = title;
  void navigator.setAppBadge?.(mine).catch(() => null);
}

/** @param {State} state */
function titleOf({ rooms, current, screen }) {
  const room = rooms[current];
  if (!room || screen === "name") return t("document.title");
  if (!room.conversation) return t("document.title.room", { room: room.name });
  return t("document.title.conversation", { names: listed(room.others) || t("person.self") });
}

/** Whether a message is the one that an edit or a delete is about.
 * @param {LogEvent} change
 * @param {{ room: string, seq: number }} event
 */
const isOf = (change, { room, seq }) => room === change.room && seq === change.of;

/** @param {HTMLElement} element */
function createAnnouncer(element) {
  /** What is to be read out, and what is there to be read out. @type {LogEvent[][]} */
  let [waiting, said] = [[], []];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let end;

  function say() {
    timer = undefined;
    said = waiting;
    waiting = [];
    const count = said.length;
    element.textContent =
      count > MOST_ANNOUNCEMENTS ? t("announcement.several", { count }) : said.map(lineOf).join("\n");
    clearTimeout(end);
    end = setTimeout(clear, ANNOUNCED);
  }

  function clear() {
    said = [];
    element.textContent = "";
  }

  return {
    /** @param {LogEvent} event */
    announce(event) {
      waiting.push(event);
      timer ??= setTimeout(say, ANNOUNCEMENT_DELAY);
    },
    /** @param {LogEvent} change */
    withdraw(change) {
      waiting = waiting.filter((event) => !isOf(change, event));
      if (said.some((event) => isOf(change, event))) clear();
    },
  };
}
