// What a person can do: each is called by a view, and changes the state or asks the server.

import { createAccount } from "./actions/account.js";
import { createSearching } from "./actions/searching.js";
import { createTools } from "./actions/tools.js";
import { createViewing } from "./actions/viewing.js";
import { createWriting } from "./actions/writing.js";

/** @typedef {ReturnType<typeof createActions>} Actions */

/**
 * @param {import("./types.d.ts").Store} store
 * @param {ReturnType<typeof import("./session.js").createSession>} session
 * @param {() => Promise<string>} permit asks whether notifications may be shown
 */
export function createActions(store, session, permit) {
  const tools = createTools(store, session);
  const view = createViewing(tools);
  const searching = createSearching(tools);
  const account = createAccount(tools, view, permit);
  return { ...view, ...searching, ...account, ...createWriting(tools, view, searching, account) };
}
