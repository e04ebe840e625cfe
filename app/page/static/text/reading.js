// How the texts of people are read: what is in them, and whom they mention. The page loads this when it connects: before,
// there is no text to read, and none to complete.

import { complete, insert, wantsEmoji } from "./completion.js";
import { mentions, parse } from "./markup.js";
import { fold } from "./mentions.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../types.d.ts").LogEvent} LogEvent */
/** @typedef {Partial<LogEvent> & { room: string }} Place an event, or just where a text is */

/** Suggestions for what is typed. */
export const completing = { complete, insert, wantsEmoji };

/** Words that mention all people, where the server lets their author do that. */
export const GROUPS = ["everyone", "here"];

/** @type {Map<string, { sources: readonly unknown[], names: ReadonlySet<string> }>} */
const cache = new Map();

/** The names that a text in a room may mention, as they are compared, and with # the rooms of this person. It is the same
 * set until the names change.
 * @param {State} state
 * @param {string} place
 */
export function knownIn({ names: own, rooms }, place) {
  const { people, others = [], log } = rooms[place] ?? {};
  const cached = cache.get(place);
  const sources = [people, others, log?.entries, own, Object.keys(rooms).join()];
  if (cached && sources.every((source, at) => source === cached.sources[at])) return cached.names;
  const present = [...(people ?? []).map(({ name }) => name), ...others, ...(log?.entries ?? []).map(({ from }) => from)];
  const found = new Set([...present.map(fold), ...own, ...Object.keys(rooms).map((name) => `#${name}`)]);
  const isSame = cached?.names.size === found.size && [...found].every((name) => cached.names.has(name));
  const names = isSame ? cached.names : found;
  cache.set(place, { sources, names });
  return names;
}

/** The parts of a text; `mine` are the mentions of the reader.
 * @param {State} state
 * @param {Place} place
 * @param {string} text
 */
export function partsOf(state, place, text) {
  const known = knownIn(state, place.room);
  const isForGroup = (/** @type {string} */ name) => place.notify !== undefined && GROUPS.includes(name);
  const parts = parse(text, (name) => known.has(name) || isForGroup(name));
  return parts.map((part) => ({ ...part, mine: part.kind === "mention" && isMine(fold(part.text.slice(1))) }));

  /** @param {string} name */
  function isMine(name) {
    return state.names.includes(name) || (isForGroup(name) && callsAll(state, place));
  }
}

/** Whether a message mentions the reader. Without @ that is a matter of the settings.
 * @param {State} state
 * @param {LogEvent} event
 */
export function isForMe(state, event) {
  if (callsAll(state, event)) return true;
  const { names, settings } = state;
  const { text: said = "" } = event;
  if (!settings.bareNames && !said.includes("@")) return false;
  const text = fold(said);
  if (!names.some((name) => text.includes(name))) return false;
  const known = knownIn(state, event.room);
  const isOwn = (/** @type {string} */ name) => names.includes(name);
  return mentions(text, (name) => known.has(name), settings.bareNames ? isOwn : undefined).some(isOwn);
}

/** Whether a message is for everyone who reads it; one that is for those who are here is not for those who come later.
 * @param {State} state
 * @param {Place} place
 */
function callsAll({ rooms }, { room, notify, heard, seq = 0 }) {
  return notify === "everyone" || (notify === "here" && (heard === true || seq > (rooms[room]?.head ?? seq)));
}
