// Telling somebody of messages by a notification and a sound. It is loaded when there is the first to tell of.

import { contentOf, lineOf } from "../i18n/events.js";
import { t } from "../i18n/messages.js";
import { isConversation } from "../state/initial.js";
import { permission } from "./permission.js";
import { serviceWorkers } from "./serviceworkers.js";
import { playSound } from "./sound.js";

/** @typedef {import("../types.d.ts").LogEvent} LogEvent */
/** @typedef {Pick<ReturnType<typeof import("./storage.js").createStorage>, "get" | "set">} Storage */

/** The length of a text in a notification. */
const EXCERPT = 200;
/** How many events are remembered as told of, by all tabs together. */
const REMEMBERED = 100;

/** Tells of events that no other tab of this browser has told of, in one notification.
 * @param {readonly LogEvent[]} events
 * @param {{ settings: import("../types.d.ts").Settings, storage: Storage, show: (room: string) => void }} options
 */
export async function tell(events, { settings, storage, show }) {
  const untold = await claim(events, storage);
  const event = untold.at(-1);
  if (!event) return;
  if (settings.sound && navigator.userActivation?.hasBeenActive) playSound();
  if (!settings.notifications) return;
  const several = untold.length > 1;
  const title = several ? t("notification.missed", { count: untold.length }) : titleText(event);
  const body = several ? untold.map(lineOf).join("\n") : contentOf(event);
  const places = untold.map(({ room, seq }) => placeOf(room, seq));
  await notify(title, { body: body.slice(0, EXCERPT), tag: event.id, data: { room: event.room, places } }, show);
}

/** Closes the notifications that show the text of a message, which is another one by now, or gone.
 * @param {LogEvent} change
 */
export async function withdraw({ room, of = 0 }) {
  const worker = await serviceWorkers()?.getRegistration().catch(() => undefined);
  for (const notification of [...((await worker?.getNotifications?.()) ?? []), ...own]) {
    if (notification.data?.places?.includes(placeOf(room, of))) notification.close();
  }
}

/** The notifications that the page shows itself. @type {Set<Notification>} */
const own = new Set();

/** @param {string} room @param {number} seq */
const placeOf = (room, seq) => `${room}/${seq}`;

/** The events that no other tab of this browser has told of.
 * @param {readonly LogEvent[]} events
 * @param {Storage} storage
 */
async function claim(events, storage) {
  const take = () => {
    const told = /** @type {string[]} */ (storage.get("told", []));
    const untold = events.filter(({ id }) => !told.includes(id));
    storage.set("told", [...told, ...untold.map(({ id }) => id)].slice(-REMEMBERED));
    return untold;
  };
  return navigator.locks ? navigator.locks.request("natter told", take) : take();
}

/** @param {LogEvent} event */
function titleText({ t: kind, from, room }) {
  if (kind === "invite") return t("notification.invite", { name: from });
  return t(isConversation(room) ? "notification.whisper" : "notification.message", { name: from, room });
}

/** Shows a notification, which leads to a room. The service worker shows it where there is one: phones allow nothing
 * else, and its notifications outlive the page. Several tabs show one notification for one `tag`.
 * @param {string} title
 * @param {{ body: string, tag: string, data: { room: string, places: string[] } }} options
 * @param {(room: string) => void} show
 */
async function notify(title, options, show) {
  if (permission() !== "granted") return;
  try {
    const worker = await serviceWorkers()?.getRegistration();
    if (worker?.active) return await worker.showNotification(title, options);
  } catch {
    // the page shows it itself
  }
  try {
    const notification = new Notification(title, options);
    own.add(notification);
    notification.onclose = () => own.delete(notification);
    notification.onclick = () => {
      window.focus();
      notification.close();
      show(options.data.room);
    };
  } catch {
    return; // nobody can show it
  }
}
