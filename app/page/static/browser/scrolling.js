// The scroll position of the list of messages. While its end is in view, the list follows it; otherwise what is in view
// stays where it is, whatever is added or removed around it.

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {ReturnType<typeof createScrolling>} Scrolling */

/** How near to its end the list counts as being there, in pixels. */
const NEAR = 80;
/** How near to the edge of what is loaded more is loaded, in pixels. */
const AHEAD = 800;

/** @param {() => import("../actions/actions.js").Actions} actions */
export function createScrolling(actions) {
  /** @type {HTMLElement | null} */
  let list = null;
  /** The first row in view, and how far it is below the upper edge. @type {{ element: Element, top: number } | null} */
  let anchor = null;
  /** The room that was scrolled to its first position, which happens once its rows are drawn. */
  let placed = "";
  /** The message that was scrolled to last. */
  let found = /** @type {object | null} */ (null);
  const watcher = typeof ResizeObserver === "function" ? new ResizeObserver(() => following && toEnd()) : null;
  let following = true;
  /** Whether the end of the list is the end of the room. */
  let live = true;
  let jumps = false;

  function toEnd() {
    if (list) list.scrollTop = list.scrollHeight;
  }

  const nearEnd = () => !list || list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;

  /** Scrolls a room to the message to show, to what is new in it, or to its end. @param {State} state */
  function place(state) {
    const room = state.rooms[state.current];
    if (!list || !room) return false;
    if (state.target && found !== state.target) {
      const row = list.querySelector(`[data-seq="${state.target.seq}"]`);
      if (!row) return false;
      found = state.target;
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

  /** How far an element is below the upper edge of the list. @param {Element} element */
  const offset = (element) =>
    element.getBoundingClientRect().top - /** @type {HTMLElement} */ (list).getBoundingClientRect().top;

  /** Loads more if the edge of what is loaded is near. */
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

    /** Called before the page is drawn. */
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

    /** Called after the page is drawn. @param {State} state */
    after(state) {
      jumps = false;
      const room = state.rooms[state.current];
      if (!list || !room) return;
      live = room.log.live;
      if (placed !== state.current || (state.target && found !== state.target)) {
        place(state);
      } else if (room.following && live) toEnd();
      else if (anchor?.element.isConnected) list.scrollTop += offset(anchor.element) - anchor.top;
      following = live && nearEnd();
      actions().follow(following);
      check();
    },

    /** The room is no longer in view: the next time it is scrolled to its first position again. */
    leave() {
      placed = "";
    },

    /** The end is to come into view with the next drawing, also if the list is still moving until then. */
    jump() {
      jumps = true;
    },

    scrolled() {
      if (jumps) return;
      following = live && nearEnd();
      actions().follow(following);
      check();
    },

    /** Moves the focus from message to message. @param {KeyboardEvent} event */
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
