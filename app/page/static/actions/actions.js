// What a person can do: each is called by a view, and changes the state or asks the server.

import { createAccount } from "./account.js";
import { createSearching } from "./search.js";
import { createTools } from "./tools.js";
import { createViewing } from "./navigation.js";
import { createWriting } from "./composing.js";

/** @typedef {ReturnType<typeof createActions>} Actions */

/**
 * @param {import("../types.d.ts").Store} store
 * @param {ReturnType<typeof import("../connection/session.js").createSession>} session
 * @param {() => Promise<string>} permit asks whether notifications may be shown
 */
export function createActions(store, session, permit) {
  const tools = createTools(store, session);
  const view = createViewing(tools);
  const searching = createSearching(tools);
  const account = createAccount(tools, view, permit);
  return { ...view, ...searching, ...account, ...createWriting(tools, view, searching, account) };
}
