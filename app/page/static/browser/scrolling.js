// Where the list of messages is scrolled to: it follows its end while that is in view, and otherwise what is in view
// stays where it is, whatever is put in or taken out around it.

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {ReturnType<typeof createScrolling>} Scrolling */

/** So near to the end is the end, in pixels; */
const NEAR = 80;
/** and so near to what is not loaded it is loaded. */
const AHEAD = 800;

/** @param {() => import("../actions/actions.js").Actions} actions */
export function createScrolling(actions) {
  /** @type {HTMLElement | null} */
  let list = null;
  /** What is in view, and how far below the upper edge. @type {{ element: Element, top: number } | null} */
  let anchor = null;
  /** A room that is shown for the first time is brought into place once its rows are there. */
  let placed = "";
  let sought = /** @type {object | null} */ (null);
  const watcher = typeof ResizeObserver === "function" ? new ResizeObserver(() => following && toEnd()) : null;
  let following = true;
  /** Whether the list's end is the room's. */
  let live = true;

  function toEnd() {
    if (list) list.scrollTop = list.scrollHeight;
  }

  const nearEnd = () => !list || list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;

  /** @param {State} state */
  function place(state) {
    const room = state.rooms[state.current];
    if (!list || !room) return false;
    if (state.target && sought !== state.target) {
      const row = list.querySelector(`[data-seq="${state.target.seq}"]`);
      if (!row) return false;
      sought = state.target;
      placed = state.current;
      row.scrollIntoView({ block: "center" });
      return true;
    }
    if (placed === state.current || !room.log.entries.length) return false;
    placed = state.current;
    const line = list.querySelector(".divider");
    const top = line ? offset(line) + list.scrollTop : 0;
    if (line && list.scrollHeight - top > list.clientHeight) list.scrollTop = top - list.clientHeight / 4;
    else toEnd();
    return true;
  }

  /** @param {Element} element how far it is below the upper edge of the list */
  const offset = (element) =>
    element.getBoundingClientRect().top - /** @type {HTMLElement} */ (list).getBoundingClientRect().top;

  function check() {
    if (!list) return;
    const { scrollTop, scrollHeight, clientHeight } = list;
    if (scrollTop < AHEAD) actions().nearTop();
    if (scrollHeight - scrollTop - clientHeight < AHEAD) actions().nearEnd();
  }

  return {
    /** @param {Element | undefined} element */
    attach(element) {
      if (list) watcher?.unobserve(list);
      list = /** @type {HTMLElement | null} */ (element ?? null);
      if (list) watcher?.observe(list);
    },

    /** Before the page changes. */
    before() {
      anchor = null;
      if (!list || following) return;
      for (const element of list.querySelectorAll("li[data-seq]")) {
        const top = offset(element);
        if (top + element.clientHeight <= 0) continue;
        anchor = { element, top };
        break;
      }
    },

    /** After it changed. @param {State} state */
    after(state) {
      const room = state.rooms[state.current];
      if (!list || !room) return;
      live = room.log.live;
      if (placed !== state.current || (state.target && sought !== state.target)) {
        place(state);
      } else if (room.following && live) toEnd();
      else if (anchor?.element.isConnected) list.scrollTop += offset(anchor.element) - anchor.top;
      following = live && nearEnd();
      actions().follow(following);
      check();
    },

    /** A room that was left is brought into place anew. */
    leave() {
      placed = "";
    },

    scrolled() {
      following = live && nearEnd();
      actions().follow(following);
      check();
    },

    /** @param {KeyboardEvent} event */
    moved(event) {
      const rows = [.../** @type {HTMLElement} */ (list).querySelectorAll("li.message[data-id]")];
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      const { target } = event;
      if (!step || !rows.length || !(target instanceof HTMLElement) || target.tagName === "PRE") return;
      const at = rows.indexOf(/** @type {Element} */ (target.closest("li")));
      const next = at < 0 ? (step < 0 ? rows[rows.length - 1] : rows[0]) : rows[at + step];
      event.preventDefault();
      if (next instanceof HTMLElement) next.focus();
    },
  };
}
