// What all actions are made with: the state, and requests whose refusals are told.

import { Gone, Refused } from "../connection/requests.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Request} Request */
/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {ReturnType<typeof createTools>} Tools */

const TOAST = 2_500;

/**
 * @param {import("../types.d.ts").Store} store
 * @param {ReturnType<typeof import("../connection/session.js").createSession>} session
 */
export function createTools(store, session) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let toasting;

  const state = () => store.get();

  /** @param {Partial<State>} change */
  const set = (change) => store.dispatch({ type: "set", change });

  /** Words that pass. @param {string} text */
  function toast(text) {
    clearTimeout(toasting);
    set({ toast: text });
    toasting = setTimeout(() => set({ toast: "" }), TOAST);
  }

  /** Words that stay in the room, for this person alone. @param {string} text @param {boolean} [problem] */
  const note = (text, problem = false) => store.dispatch({ type: "note", room: state().current, text, problem });

  /** Asks, and gives nothing where the answer is a refusal, which is told in the dialog or else in the room.
   * @param {Request} request
   * @returns {Promise<Frame | null>}
   */
  async function ask(request) {
    set({ problem: "" });
    try {
      return await session.ask(request);
    } catch (error) {
      const text = problemOf(error);
      if (state().dialog) set({ problem: text });
      else note(text, true);
      return null;
    }
  }

  return { store, session, state, set, toast, note, ask };
}

/** Why a request was not done, in words.
 * @param {unknown} error
 */
export function problemOf(error) {
  if (error instanceof Refused) return error.message;
  if (error instanceof Gone) return "The connection was lost before the server answered.";
  throw error;
}
