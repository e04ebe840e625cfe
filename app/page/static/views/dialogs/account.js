// The password that a command needs, in a field that hides it.

import { t } from "../../i18n/messages.js";
import { dialogView } from "./dialog.js";
import { changeForm, loginForm, passwordForm } from "./settings.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/**
 * @param {State} state
 * @param {Extract<State["dialog"], { kind: "login" }>} dialog
 * @param {Actions} act
 */
export const loginView = (state, dialog, act) =>
  dialogView(state, act, t("settings.log_in"), loginForm(act, dialog));

/**
 * @param {State} state
 * @param {Extract<State["dialog"], { kind: "register" }>} dialog
 * @param {Actions} act
 */
export function registerView(state, dialog, act) {
  const { name, registered } = state.me ?? { name: "", registered: false };
  return dialogView(state, act, t("settings.account"), passwordForm(name, registered, act, dialog));
}

/**
 * @param {State} state
 * @param {Extract<State["dialog"], { kind: "password" }>} dialog
 * @param {Actions} act
 */
export const passwordView = (state, dialog, act) =>
  dialogView(state, act, t("settings.account"), changeForm(state.me?.name ?? "", act, dialog));
