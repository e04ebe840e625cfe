// How somebody learns of what is said while they look elsewhere: the title, a notification, a sound, and words for a
// screen reader.

import { mentions } from "../text/markup.js";
import { listed } from "../views/hues.js";
import { isConversation, isMine } from "../state/initial.js";
import { unreadInAll } from "../state/unread.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").LogEvent} LogEvent */

/** How long after a change the title shows it, in milliseconds: what is seen at once is never counted there. */
const SOON = 100;
/** Words for a screen reader are put together for so long, in milliseconds, and are no more than so many. */
const TOGETHER = 700;
const MOST = 3;

/**
 * @param {import("../types.d.ts").Store} store
 * @param {object} options
 * @param {HTMLElement} options.announcer what a screen reader reads out
 * @param {(room: string) => void} options.show
 */
export function notifying(store, { announcer, show }) {
  const announce = createAnnouncer(announcer);
  const sound = createSound();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  store.subscribe((state, action, before) => {
    timer ??= setTimeout(() => {
      timer = undefined;
      badge(store.get());
    }, SOON);
    const event = /** @type {LogEvent} */ (action.frame);
    if (action.type !== "frame" || event.t !== "msg" || isMine(state, event) || !isNews(state, event, before)) return;
    const whisper = isConversation(event.room);
    const here = state.current === event.room && state.watching;
    if (state.current === event.room || whisper) announce(`${event.from}${whisper ? " whispers" : ""}: ${event.text}`);
    if (here || !(whisper || mentions(event.text ?? "", state.names))) return;
    if (state.settings.sound) sound();
    if (state.settings.notifications) notify(event, whisper, show);
    else if (state.permission === "default" && !state.settings.asked) ask(store);
  });
}

/** @param {State} state @param {LogEvent} event @param {State} before */
function isNews({ rooms, whispers }, { room, seq }, before) {
  const head = isConversation(room) ? whispers.head : rooms[room]?.head;
  const known = isConversation(room) ? before.whispers.position : before.rooms[room]?.position;
  return head !== undefined && seq > head && seq > (known ?? 0);
}

/** Whether to show notifications is asked once, when there is the first to show.
 * @param {import("../types.d.ts").Store} store
 */
const ask = (store) => store.dispatch({ type: "set", change: { asking: true } });

/** In the title, and on the icon where the page is installed.
 * @param {State} state
 */
function badge(state) {
  const { count, mentions: mine } = unreadInAll(state);
  const title = titleOf(state, count, mine);
  if (title === document.title) return;
  document.title = title;
  void navigator.setAppBadge?.(mine).catch(() => null);
}

/** @param {State} state @param {number} count @param {number} mine */
function titleOf(state, count, mine) {
  const room = state.rooms[state.current];
  const place =
    !room || state.screen === "name" ? "" : room.conversation ? `${listed(room.others)} · ` : `#${room.name} · `;
  return `${mine ? `(${mine}) ` : count ? "• " : ""}${place}Natter`;
}

/** @param {LogEvent} event @param {boolean} whisper @param {(room: string) => void} show */
function notify({ from, room, text = "", id }, whisper, show) {
  if (typeof Notification !== "function" || Notification.permission !== "granted") return;
  try {
    const title = whisper ? `${from} whispers` : `${from} in #${room}`;
    const notification = new Notification(title, { body: text.slice(0, 200), tag: id });
    notification.onclick = () => {
      window.focus();
      notification.close();
      show(room);
    };
  } catch {
    return; // some phones let only a service worker show them
  }
}

/** Asks the person to let the browser show notifications; the answer is the browser's word. */
export async function permit() {
  return typeof Notification === "function" ? Notification.requestPermission() : "denied";
}

export const permission = () => (typeof Notification === "function" ? Notification.permission : "denied");

/** @param {HTMLElement} element */
function createAnnouncer(element) {
  /** @type {string[]} */
  let words = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (/** @type {string} */ text) => {
    words.push(text);
    timer ??= setTimeout(() => {
      element.textContent = words.length > MOST ? `${words.length} new messages` : words.join("\n");
      words = [];
      timer = undefined;
    }, TOGETHER);
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
