// What is in view of somebody who looks at it has been read: other tabs and devices are told.

/** @typedef {import("../types.d.ts").Room} Room */

/** How long after it came in view, in milliseconds: one request tells of all that came meanwhile. */
const SOON = 1_000;

/**
 * @param {import("../types.d.ts").Store} store
 * @param {(room: string, seq: number) => Promise<void>} tell
 */
export function reading(store, tell) {
  /** @type {Record<string, number>} */
  const told = {};
  /** @type {Set<string>} */
  const due = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function send() {
    timer = undefined;
    const { rooms } = store.get();
    for (const name of due) {
      const read = rooms[name]?.read ?? 0;
      if (read > (told[name] ?? 0)) void tell(name, read);
      told[name] = Math.max(read, told[name] ?? 0);
    }
    due.clear();
  }

  store.subscribe((state) => {
    const room = state.rooms[state.current];
    if (!room || !seen(room) || !state.watching || state.screen !== "chat") return;
    const { name, log } = room;
    if (log.last <= room.read && log.last <= (told[name] ?? log.last)) return;
    due.add(name);
    timer ??= setTimeout(send, SOON);
    if (log.last > room.read) store.dispatch({ type: "read", room: name, seq: log.last });
  });
}

/** @param {Room} room */
const seen = ({ log, following, status }) => log.live && following && status === "joined";
