// Searching a room.

import { NO_SEARCH } from "../state/initial.js";
import { problemText } from "./tools.js";

/** @typedef {import("../types.d.ts").State["search"]} Search */

/** How many messages a page of results has. */
const PAGE = 20;

/** @param {import("./tools.js").Tools} tools */
export function createSearch({ session, state, set }) {
  /** Only the results of the last search are shown. */
  let searches = 0;

  /** @param {Partial<Search>} change */
  const show = (change) => set({ searching: true, search: { ...NO_SEARCH, ...change } });

  const search = {
    search: () => show({ room: state().current }),
    stopSearching: () => set({ searching: false }),

    /** @param {string} words @param {number} [before] the position before which to go on */
    async find(words, before = 0) {
      const mine = ++searches;
      const room = state().current;
      const known = before ? state().search.events : [];
      show({ words, room, events: known, busy: true });
      try {
        const found = await session.ask({ t: "search", room, words, limit: PAGE, ...(before ? { before } : {}) });
        if (mine === searches) search.found(found, known);
      } catch (error) {
        if (mine === searches) show({ words, room, problem: problemText(error), done: true });
      }
    },

    /** Shows results. @param {import("../types.d.ts").Frame} frame @param {Search["events"]} [known] newer results */
    found({ room, words, events, more }, known = []) {
      show({ room, words, more, done: true, events: [...events, ...known] });
    },
  };
  return search;
}
