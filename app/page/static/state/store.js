// The one state, and who is told of its changes: each of them, in their order, after it was made.

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Action} Action */
/** @typedef {(state: State, action: Action, before: State) => void} Listener */

/**
 * @param {(state: State, action: Action) => State} reduce
 * @param {State} state
 * @returns {import("../types.d.ts").Store}
 */
export function createStore(reduce, state) {
  /** @type {Set<Listener>} */
  const listeners = new Set();
  /** Changes that the listeners are still to be told of: a listener may make another. @type {Parameters<Listener>[]} */
  const changes = [];
  let telling = false;

  function tell() {
    if (telling) return;
    telling = true;
    try {
      for (let change = changes.shift(); change; change = changes.shift()) {
        for (const listener of listeners) listener(...change);
      }
    } finally {
      telling = false;
    }
  }

  return {
    get: () => state,
    dispatch(action) {
      const before = state;
      state = reduce(state, { at: Date.now(), ...action });
      if (state === before) return;
      changes.push([state, action, before]);
      tell();
    },
    subscribe: (listener) => void listeners.add(listener),
  };
}
