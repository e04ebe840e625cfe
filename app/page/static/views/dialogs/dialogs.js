// The dialogs. The page loads them once it is in use.

import { loginView, registerView } from "./account.js";
import { deleteView } from "./delete.js";
import { helpView } from "./help.js";
import { moderateView } from "./moderate.js";
import { personView } from "./person.js";
import { roomView } from "./room.js";
import { roomsView } from "./rooms.js";
import { settingsView } from "./settings.js";

/** @typedef {import("../../types.d.ts").State} State */

/** The dialog that is open.
 * @param {State} state
 * @param {import("../../types.d.ts").Room} room
 * @param {NonNullable<State["dialog"]>} dialog
 * @param {import("../../actions/actions.js").Actions} act
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
    case "moderate":
      return moderateView(state, room, dialog, act);
    default:
      return helpView(state, act);
  }
}
