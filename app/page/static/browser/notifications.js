// How people learn of messages while they look elsewhere: the title, a notification, a sound, and an announcement by a
// screen reader.

import { listed, t } from "../i18n/messages.js";
import { isConversation, isMine } from "../state/initial.js";
import { unreadInAll } from "../state/unread.js";
import { mentions } from "../text/markup.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").LogEvent} LogEvent */

/** How long after a change the title shows it, in milliseconds: messages that are read at once never appear in it. */
const TITLE_DELAY = 100;
/** How long announcements are collected, in milliseconds, and how many of them are read out. */
const ANNOUNCEMENT_DELAY = 700;
const MOST_ANNOUNCEMENTS = 3;
/** The length of a text in a notification. */
const EXCERPT = 200;

/**
 * @param {import("../types.d.ts").Store} store
 * @param {object} options
 * @param {HTMLElement} options.announcer what a screen reader reads out
 * @param {(room: string) => void} options.show
 */
export function sendNotifications(store, { announcer, show }) {
  const announce = createAnnouncer(announcer);
  const playSound = createSound();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  store.subscribe((state, action, before) => {
    timer ??= setTimeout(() => {
      timer = undefined;
      updateTitle(store.get());
    }, TITLE_DELAY);
    const event = /** @type {LogEvent} */ (action.frame);
    if (action.type !== "frame" || event.t !== "msg" || isMine(state, event) || !isNew(state, event, before)) return;
    const isWhisper = isConversation(event.room);
    const isInView = state.current === event.room && state.watching;
    if (state.current === event.room || isWhisper) announce(announcementOf(event, isWhisper));
    if (isInView || !(isWhisper || mentions(event.text ?? "", state.names))) return;
    if (state.settings.sound) playSound();
    if (state.settings.notifications) notify(event, isWhisper, show);
    else if (state.permission === "default" && !state.settings.asked) offer(store);
  });
}

/** Whether an event just happened, rather than while this person was away.
 * @param {State} state
 * @param {LogEvent} event
 * @param {State} before
 */
function isNew({ rooms, whispers }, { room, seq }, before) {
  const head = isConversation(room) ? whispers.head : rooms[room]?.head;
  const known = isConversation(room) ? before.whispers.position : before.rooms[room]?.position;
  return head !== undefined && seq > head && seq > (known ?? 0);
}

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

/** @param {LogEvent} event @param {boolean} isWhisper */
const announcementOf = ({ from, text = "" }, isWhisper) =>
  t(isWhisper ? "announcement.whisper" : "announcement.message", { name: from, text });

/** @param {LogEvent} event @param {boolean} isWhisper @param {(room: string) => void} show */
function notify({ from, room, text = "", id }, isWhisper, show) {
  if (typeof Notification !== "function" || Notification.permission !== "granted") return;
  try {
    const title = t(isWhisper ? "notification.whisper" : "notification.message", { name: from, room });
    const notification = new Notification(title, { body: text.slice(0, EXCERPT), tag: id });
    notification.onclick = () => {
      window.focus();
      notification.close();
      show(room);
    };
  } catch {
    return; // some phones allow notifications from service workers only
  }
}

/** Asks the person for permission to show notifications. */
export const askPermission = async () =>
  typeof Notification === "function" ? Notification.requestPermission() : "denied";

export const permission = () => (typeof Notification === "function" ? Notification.permission : "denied");

/** @param {HTMLElement} element */
function createAnnouncer(element) {
  /** @type {string[]} */
  let texts = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (/** @type {string} */ text) => {
    texts.push(text);
    timer ??= setTimeout(() => {
      const count = texts.length;
      element.textContent =
        count > MOST_ANNOUNCEMENTS ? t("announcement.several", { count }) : texts.join("\n");
      texts = [];
      timer = undefined;
    }, ANNOUNCEMENT_DELAY);
  };
}

/** Two soft tones. */
function createSound() {
  /** @type {AudioContext | undefined} */
  let context;
  return () => {
    if (!navigator.userActivation?.hasBeenActive) return;
    context ??= new AudioContext();
    const start = context.currentTime;
    for (const [index, frequency] of [660, 880].entries()) {
      const at = start + index * 0.11;
      const [tone, volume] = [context.createOscillator(), context.createGain()];
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(0.08, at + 0.01);
      volume.gain.exponentialRampToValueAtTime(0.001, at + 0.25);
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.3);
    }
  };
}
