// What people set for this device, and for their account.

import { t } from "../../i18n/messages.js";
import { html, nothing } from "../../vendor/lit-html.js";
import { choiceView } from "../choice.js";
import { dialogView, fields } from "./dialog.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act */
export const settingsView = (state, act) =>
  dialogView(
    state,
    act,
    t("settings.title"),
    html` ${deviceView(state, act)} ${accountView(state, act)}
      <p>
        <button type="button" class="link" @click=${() => act.dialog({ kind: "help" })}>${t("settings.help")}</button>
      </p>`,
  );

/** @param {State} state @param {Actions} act */
function deviceView({ settings, permission }, act) {
  const { theme, density, notifications, sound, bareNames } = settings;
  const blocked = permission === "denied";
  const themes = {
    system: t("settings.theme.system"),
    light: t("settings.theme.light"),
    dark: t("settings.theme.dark"),
  };
  const densities = { comfortable: t("settings.density.comfortable"), compact: t("settings.density.compact") };
  return html`<section>
    <h3>${t("settings.device")}</h3>
    ${choiceView(t("settings.theme"), "theme", theme, themes, (value) => act.settings({ theme: value }))}
    ${choiceView(t("settings.density"), "density", density, densities, (value) => act.settings({ density: value }))}
    ${toggleView(t("settings.notifications"), notifications, act.notify, blocked)}
    ${blocked ? html`<p class="quiet">${t("settings.notifications.blocked")}</p>` : nothing}
    ${toggleView(t("settings.sound"), sound, (value) => act.settings({ sound: value }))}
    ${toggleView(t("settings.bare_names"), bareNames, (value) => act.settings({ bareNames: value }))}
  </section>`;
}

/** @param {State} state @param {Actions} act */
function accountView({ me, limits, features }, act) {
  const registered = me?.registered ?? false;
  const name = me?.name ?? "";
  return html`<section>
    <h3>${t("settings.account")}</h3>
    <form class="line" @submit=${fields((values) => void act.account({ t: "nick", name: values.name.trim() }))}>
      <label for="nick">${t("settings.name")}</label>
      <input
        id="nick"
        name="name"
        required
        maxlength=${limits.name || 64}
        autocomplete="nickname"
        .value=${name}
      />
      <button class="secondary">${t("dialog.save")}</button>
    </form>
    ${registered && features.includes("password") ? changeForm(name, act) : passwordForm(name, registered, act)}
    ${registered ? nothing : loginForm(act)}
    <p>
      <button type="button" class="secondary" @click=${() => void act.logout()}>${t("settings.log_out")}</button>
    </p>
    ${registered ? nothing : html`<p class="quiet">${t("settings.log_out.guest")}</p>`}
  </section>`;
}

/** Tells password managers whose password it is. @param {string} name */
const usernameView = (name) =>
  html`<input
    class="hidden"
    name="username"
    autocomplete="username"
    tabindex="-1"
    aria-hidden="true"
    readonly
    .value=${name}
  />`;

/**
 * @param {string} name
 * @param {Actions} act
 * @param {Extract<State["dialog"], { kind: "password" }>} [dialog] that it is all of
 */
export const changeForm = (name, act, dialog) =>
  html`<form
    class="line"
    @submit=${fields(async ({ old, password }, form) => {
      if (!(await act.account({ t: "password", old, new: password }))) return;
      form.reset();
      if (dialog) act.closeDialog(dialog);
    })}
  >
    ${usernameView(name)}
    <label for="old">${t("settings.password.change")}</label>
    <input
      id="old"
      name="old"
      type="password"
      required
      placeholder=${t("settings.password.old")}
      aria-label=${t("settings.password.old")}
      autocomplete="current-password"
      .value=${dialog?.old ?? ""}
      ?data-focus=${Boolean(dialog)}
    />
    <input
      name="password"
      type="password"
      required
      minlength="8"
      maxlength="128"
      placeholder=${t("settings.password.new")}
      aria-label=${t("settings.password.new")}
      autocomplete="new-password"
      .value=${dialog?.next ?? ""}
    />
    <button class="secondary">${t("dialog.save")}</button>
  </form>`;

/** On an older server, a registered person changes their password with it.
 * @param {string} name
 * @param {boolean} registered
 * @param {Actions} act
 * @param {Extract<State["dialog"], { kind: "register" }>} [dialog] that it is all of
 */
export const passwordForm = (name, registered, act, dialog) =>
  html`<form
    class="line"
    @submit=${fields(async ({ password }, form) => {
      if (!(await act.account({ t: "register", password }))) return;
      form.reset();
      if (dialog) act.closeDialog(dialog);
    })}
  >
    ${usernameView(name)}
    <label for="register">${t(registered ? "settings.password.change" : "settings.password.register")}</label>
    <input
      id="register"
      name="password"
      type="password"
      required
      minlength="8"
      maxlength="128"
      placeholder=${t("settings.password")}
      autocomplete="new-password"
      .value=${dialog?.password ?? ""}
      ?data-focus=${Boolean(dialog)}
    />
    <button class="secondary">${t(registered ? "dialog.save" : "settings.password.register.submit")}</button>
  </form>`;

/** @param {Actions} act @param {Extract<State["dialog"], { kind: "login" }>} [dialog] that it is all of */
export const loginForm = (act, dialog) =>
  html`<form
    class="line"
    @submit=${fields(async ({ name, password }) => {
      if (await act.account({ t: "login", name: name.trim(), password }) && dialog) act.closeDialog(dialog);
    })}
  >
    <label for="login">${t("settings.log_in.label")}</label>
    <input
      id="login"
      name="name"
      required
      placeholder=${t("settings.log_in.name")}
      autocomplete="username"
      autocapitalize="off"
      .value=${dialog?.name ?? ""}
    />
    <input
      name="password"
      type="password"
      required
      placeholder=${t("settings.password")}
      aria-label=${t("settings.password")}
      autocomplete="current-password"
      .value=${dialog?.password ?? ""}
      ?data-focus=${Boolean(dialog?.name)}
    />
    <button class="secondary">${t("settings.log_in")}</button>
  </form>`;

/** @param {string} label @param {boolean} on @param {(on: boolean) => unknown} change @param {boolean} [disabled] */
const toggleView = (label, on, change, disabled = false) =>
  html`<label class="toggle"
    ><span>${label}</span>
    <input
      type="checkbox"
      role="switch"
      .checked=${on}
      ?disabled=${disabled}
      @change=${(/** @type {Event} */ { target }) => change(/** @type {HTMLInputElement} */ (target).checked)}
  /></label>`;
