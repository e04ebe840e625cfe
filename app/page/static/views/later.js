// What opens over the messages or beside them: the dialogs and the search. The page loads it once it is in use.

import { add } from "../i18n/messages.js";
import { REST } from "../i18n/rest.js";
import { loginView, passwordView, registerView } from "./dialogs/account.js";
import { deleteView } from "./dialogs/delete.js";
import { helpView } from "./dialogs/help.js";
import { moderateView } from "./dialogs/moderate.js";
import { personView } from "./dialogs/person.js";
import { roomView } from "./dialogs/room.js";
import { roomsView } from "./dialogs/rooms.js";
import { settingsView } from "./dialogs/settings.js";
import { searchView } from "./search.js";

/** @typedef {import("../types.d.ts").State} State */

add(REST);

/** The search, which is open. */
export const searchOf = searchView;

/** The dialog that is open.
 * @param {State} state
 * @param {import("../types.d.ts").Room} room
 * @param {NonNullable<State["dialog"]>} dialog
 * @param {import("../actions/actions.js").Actions} act
 */
export function dialogOf(state, room, dialog, act) {
  switch (dialog.kind) {
    case "settings":
      return settingsView(state, act);
    case "rooms":
      return roomsView(state, act);
    case "room":
      return roomView(state, room, act);
    case "person":
      return personView(state, room, dialog, act);
    case "delete":
      return deleteView(state, dialog, act);
    case "login":
      return loginView(state, dialog, act);
    case "register":
      return registerView(state, dialog, act);
    case "password":
      return passwordView(state, dialog, act);
    case "moderate":
      return moderateView(state, room, dialog, act);
    default:
      return helpView(state, act);
  }
}
