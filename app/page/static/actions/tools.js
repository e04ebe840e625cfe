// What all actions share: the state, and requests that report errors to the person.

import { Gone, Refused } from "../connection/requests.js";
import { t } from "../i18n/messages.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Request} Request */
/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {ReturnType<typeof createTools>} Tools */

/** How long a toast is shown, in milliseconds. */
const TOAST = 2_500;

/**
 * @param {import("../types.d.ts").Store} store
 * @param {ReturnType<typeof import("../connection/session.js").createSession>} session
 */
export function createTools(store, session) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let toastTimer;

  const state = () => store.get();

  /** @param {Partial<State>} change */
  const set = (change) => store.dispatch({ type: "set", change });

  /** Shows a short text that disappears by itself. @param {string} text */
  function toast(text) {
    clearTimeout(toastTimer);
    set({ toast: text });
    toastTimer = setTimeout(() => set({ toast: "" }), TOAST);
  }

  /** Shows a text in the room, to this person only. @param {string} text @param {boolean} [problem] */
  const note = (text, problem = false) => store.dispatch({ type: "note", room: state().current, text, problem });

  /** Asks the server. If it refuses, the answer is null, and the dialog that asked or else the room says why.
   * @param {Request} request
   * @returns {Promise<Frame | null>}
   */
  async function ask(request) {
    const { dialog } = state();
    set({ problem: "" });
    try {
      return await session.ask(request);
    } catch (error) {
      const text = problemText(error);
      if (dialog && dialog === state().dialog) set({ problem: text });
      else note(text, true);
      return null;
    }
  }

  return { store, session, state, set, toast, note, ask };
}

/** Why a request was not carried out.
 * @param {unknown} error
 */
export function problemText(error) {
  if (error instanceof Refused) return error.message;
  if (error instanceof Gone) return t(error.sent ? "status.lost" : "status.not_connected");
  throw error;
}
