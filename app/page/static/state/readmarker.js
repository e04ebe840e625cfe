// The read marker: whatever is in view while somebody looks at the page has been read, on their other devices too.

import { isLoaded } from "./log.js";

/** @typedef {import("../types.d.ts").Room} Room */

/** How long to collect what comes into view before it is reported in one request, in milliseconds. */
const DELAY = 1_000;

/**
 * @param {import("../types.d.ts").Store} store
 * @param {(room: string, seq: number) => Promise<void>} report tells the server
 * @returns {() => void} reports at once, before the page goes
 */
export function reportReading(store, report) {
  /** @type {Map<string, number>} */
  const reported = new Map();
  /** @type {Set<string>} */
  const due = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function flush() {
    clearTimeout(timer);
    timer = undefined;
    const { rooms } = store.get();
    for (const name of due) {
      const read = rooms[name]?.read ?? 0;
      const before = reported.get(name) ?? 0;
      if (read > before) void report(name, read);
      reported.set(name, Math.max(read, before));
    }
    due.clear();
  }

  store.subscribe((state) => {
    const room = state.rooms[state.current];
    if (!room || !isEndInView(room) || !state.watching || state.screen !== "chat") return;
    const { name, log } = room;
    if (log.last <= room.read && log.last <= (reported.get(name) ?? log.last)) return;
    due.add(name);
    timer ??= setTimeout(flush, DELAY);
    if (log.last > room.read) store.dispatch({ type: "read", room: name, seq: log.last });
  });
  return flush;
}

/** @param {Room} room */
const isEndInView = (room) => room.log.live && isLoaded(room) && room.following && room.status === "joined";
