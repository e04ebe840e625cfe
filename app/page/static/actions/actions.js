// Everything that a person can do on the page. Views call these; they change the state, or ask the server.

import { createAccount } from "./account.js";
import { createComposing } from "./composing.js";
import { createNavigation } from "./navigation.js";
import { createPeople } from "./people.js";
import { createSearch } from "./search.js";
import { createTools } from "./tools.js";

/** @typedef {ReturnType<typeof createActions>} Actions */

/**
 * @param {import("../types.d.ts").Store} store
 * @param {ReturnType<typeof import("../connection/session.js").createSession>} session
 * @param {() => Promise<string>} askPermission to show notifications
 */
export function createActions(store, session, askPermission) {
  const tools = createTools(store, session);
  const navigation = createNavigation(tools);
  const search = createSearch(tools);
  const people = createPeople(tools);
  const account = createAccount(tools, navigation, askPermission);
  return { ...navigation, ...search, ...people, ...account, ...createComposing(tools, navigation, search, account) };
}
