// Finding people: a large room lists them by pages only, and by a part of their names.

import { NOBODY } from "../state/people.js";

/** @typedef {import("../types.d.ts").State} State */

/** How many people a page has. */
const PAGE = 100;
/** How long after the last letter people are looked for, in milliseconds. */
const PAUSE = 200;

/** @param {import("./tools.js").Tools} tools */
export function createPeople({ store, session, state, set }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** Changes with what is looked for: answers from before are not shown. */
  let version = 0;

  /** Asks for a page of the people in view.
   * @param {string} [after] the name after which it begins
   */
  async function load(after = "") {
    const mine = ++version;
    const { room, find } = state().finding;
    const request = { t: "who", room, limit: PAGE, find: find.trim() || undefined, after: after || undefined };
    const page = await session.ask(request).catch(() => null);
    const { finding } = state();
    if (!page || mine !== version || finding.room !== room) return;
    const before = after ? (finding.people ?? []) : [];
    // An older server lists nobody in a large room.
    const none = request.find ? finding.people && [] : null;
    const people = page.people ? [...before, ...page.people] : none;
    set({ finding: { ...finding, people, more: Boolean(page.more) } });
  }

  store.subscribe((next) => {
    const room = next.rooms[next.current];
    if (!isUnknown(next) || next.finding.room === room.name) return;
    set({ finding: { ...NOBODY, room: room.name } });
    void load();
  });

  return {
    /** Looks for people whose name has this part. @param {string} find */
    findPeople(find) {
      const { current, finding } = state();
      set({ finding: { ...finding, room: current, find } });
      clearTimeout(timer);
      if (isUnknown(state())) timer = setTimeout(() => void load(), PAUSE);
    },

    morePeople: () => void load(state().finding.people?.at(-1)?.name),
  };
}

/** Whether people are in view of whom only the number is known.
 * @param {State} state
 */
function isUnknown({ people, searching, connection, rooms, current }) {
  const room = rooms[current];
  if (!people || searching || connection.phase !== "open" || !room || room.conversation) return false;
  return room.status === "joined" && room.people === null;
}
