// Searching all rooms and whispers, or one room.

import { Refused } from "../connection/requests.js";
import { NO_RESULTS, NO_SEARCH } from "../state/initial.js";
import { problemText } from "./tools.js";

/** @typedef {import("../types.d.ts").Search} Search */
/** @typedef {import("../types.d.ts").Frame} Frame */

/** How many messages a page of results has. */
const PAGE = 20;
/** How long after the last letter a search begins, in milliseconds. */
const PAUSE = 200;

/** @param {import("./tools.js").Tools} tools */
export function createSearch({ session, state, set }) {
  /** Changes with the words and the room: answers from before are not shown. */
  let version = 0;
  /** The position before which to search next; none if nothing is to be asked. @type {number | null} */
  let wanted = null;
  /** A request is under way: there is one at a time. */
  let asking = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {Partial<Search>} change */
  const update = (change) => set({ search: { ...state().search, ...change } });

  /** Forgets what was to be searched, and the answer that is on its way. */
  function reset() {
    clearTimeout(timer);
    version++;
    wanted = null;
  }

  /** Searches for the words, once the answer to the request under way is there.
   * @param {number} [before] the position before which to go on
   */
  async function run(before = 0) {
    reset();
    wanted = before;
    update({ busy: true });
    if (asking) return;
    asking = true;
    try {
      while (wanted !== null) {
        const mine = version;
        const from = wanted;
        wanted = null;
        const change = await answer(from);
        if (mine === version) update({ ...change, busy: false });
      }
    } finally {
      asking = false;
    }
  }

  /** The results, or why there are none. An older server does not know the search of all rooms.
   * @param {number} before
   * @returns {Promise<Partial<Search>>}
   */
  async function answer(before) {
    const { words, room, events, single } = state().search;
    const known = before ? events : [];
    const place = { room: room || undefined, before: before || undefined };
    try {
      return results(await session.ask({ t: "search", words: query(words, single), limit: PAGE, ...place }), known);
    } catch (error) {
      if (!room && error instanceof Refused && error.code === "bad_frame") {
        update({ room: state().current, single: true });
        return answer(0);
      }
      return { ...NO_RESULTS, events: known, problem: problemText(error), done: true };
    }
  }

  return {
    /** Opens the panel. */
    search() {
      if (state().searching) return;
      reset();
      set({ searching: true, search: NO_SEARCH });
    },

    stopSearching() {
      reset();
      set({ searching: false });
    },

    /** The words changed. @param {string} words @param {boolean} [composing] more letters are to come */
    typed(words, composing = false) {
      reset();
      update({ words, busy: false, ...(words.trim() ? {} : NO_RESULTS) });
      if (!composing && isEnough(words)) timer = setTimeout(() => void run(), PAUSE);
    },

    /** Searches at once. @param {Partial<Search>} [change] of the words or the room; no room is all of them */
    find(change = {}) {
      update(change);
      if (state().search.words.trim()) void run();
    },

    older: () => void run(state().search.next),
  };
}

/** Whether to search while the rest is typed: one letter is in nearly all messages, but one sign can be a word.
 * @param {string} words
 */
const isEnough = (words) => /[^\0-\x7f]|\S{2}/.test(words);

/** The words to send. The last one may be incomplete, so its beginning counts. The server finds longer ones in any place
 * of a word anyway, unless it is an older one.
 * @param {string} words
 * @param {boolean} old
 */
function query(words, old) {
  const incomplete = old ? /[\p{L}\p{N}]$/u : /(?<!\S)[\p{Lu}\p{Ll}\p{N}]{1,3}$/u;
  const quoted = words.split('"').length % 2 === 0;
  return !quoted && incomplete.test(words) ? `${words.trim()}*` : words.trim();
}

/** @param {Frame} found @param {Search["events"]} newer @returns {Partial<Search>} */
function results({ events, marks = [], more, next = events[0]?.seq, partial, behind }, newer) {
  const older = events.map((/** @type {object} */ event, /** @type {number} */ at) => ({ ...event, marks: marks[at] }));
  return { ...NO_RESULTS, events: [...older, ...newer], more, next, partial, behind, done: true };
}
