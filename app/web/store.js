// The one state, and who is told of its changes.

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").Action} Action */
/** @typedef {(state: State, action: Action, before: State) => void} Listener */

/**
 * @param {(state: State, action: Action) => State} reduce
 * @param {State} state
 * @returns {import("./types.d.ts").Store}
 */
export function createStore(reduce, state) {
  /** @type {Set<Listener>} */
  const listeners = new Set();
  return {
    get: () => state,
    dispatch(action) {
      const before = state;
      state = reduce(state, { at: Date.now(), ...action });
      if (state !== before) for (const listener of listeners) listener(state, action, before);
    },
    subscribe: (listener) => void listeners.add(listener),
  };
}
