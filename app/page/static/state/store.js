// The one state, and the listeners to its changes. They are called after each change, in order.

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
  /** Changes that wait because a listener made them. @type {Parameters<Listener>[]} */
  const changes = [];
  let notifying = false;

  function notify() {
    if (notifying) return;
    notifying = true;
    try {
      for (let change = changes.shift(); change; change = changes.shift()) {
        for (const listener of listeners) listener(...change);
      }
    } finally {
      notifying = false;
    }
  }

  return {
    get: () => state,
    dispatch(action) {
      const before = state;
      state = reduce(state, { at: Date.now(), ...action });
      if (state === before) return;
      changes.push([state, action, before]);
      notify();
    },
    subscribe: (listener) => void listeners.add(listener),
  };
}
