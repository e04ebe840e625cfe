// What somebody can set for this browser, and for themselves.

import { html, nothing } from "../../vendor/lit-html.js";
import { dialogView, fields } from "./dialog.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

const THEMES = { system: "As the system", light: "Light", dark: "Dark" };
const DENSITIES = { comfortable: "Comfortable", compact: "Compact" };

/** @param {State} state @param {Actions} act */
export function settingsView(state, act) {
  const { settings, permission } = state;
  const blocked = permission === "denied";
  return dialogView(
    state,
    act,
    "Settings",
    html` <section>
        <h3>On this device</h3>
        ${choice("Theme", "theme", settings.theme, THEMES, (theme) => act.settings({ theme }))}
        ${choice("Density", "density", settings.density, DENSITIES, (density) => act.settings({ density }))}
        ${toggle("Notifications of mentions and whispers", settings.notifications, act.notify, blocked)}
        ${blocked ? html`<p class="quiet">The browser was told to show none. Its settings change that.</p>` : nothing}
        ${toggle("Sound with mentions and whispers", settings.sound, (sound) => act.settings({ sound }))}
      </section>
      ${account(state, act)}
      <p>
        <button type="button" class="link" @click=${() => act.dialog({ kind: "help" })}>Keys and commands</button>
      </p>`,
  );
}

/** @param {State} state @param {Actions} act */
function account({ me, limits }, act) {
  const registered = me?.registered ?? false;
  return html`<section>
    <h3>You</h3>
    <form class="line" @submit=${fields(({ name }) => void act.account({ t: "nick", name: name.trim() }))}>
      <label for="nick">Name</label>
      <input
        id="nick"
        name="name"
        required
        maxlength=${limits.name || 64}
        autocomplete="nickname"
        .value=${me?.name ?? ""}
      />
      <button class="secondary">Change</button>
    </form>
    <form
      class="line"
      @submit=${fields(async ({ password }, form) => {
        if (await act.account({ t: "register", password })) form.reset();
      })}
    >
      <input
        class="hidden"
        name="username"
        autocomplete="username"
        tabindex="-1"
        aria-hidden="true"
        readonly
        .value=${me?.name ?? ""}
      />
      <label for="register">${registered ? "New password" : "Protect the name with a password"}</label>
      <input
        id="register"
        name="password"
        type="password"
        required
        minlength="8"
        maxlength="128"
        autocomplete="new-password"
      />
      <button class="secondary">${registered ? "Change" : "Register"}</button>
    </form>
    ${
      registered
        ? nothing
        : html`<form
            class="line"
            @submit=${fields(({ name, password }) => void act.account({ t: "login", name: name.trim(), password }))}
          >
            <label for="login">Log in as somebody registered</label>
            <input id="login" name="name" required placeholder="Name" autocomplete="username" />
            <input
              name="password"
              type="password"
              required
              placeholder="Password"
              aria-label="Password"
              autocomplete="current-password"
            />
            <button class="secondary">Log in</button>
          </form>`
    }
    <p>
      <button type="button" class="secondary" @click=${() => void act.logout()}>Log out</button>
      <span class="quiet">${registered ? "" : "Nobody can be this guest again then."}</span>
    </p>
  </section>`;
}

/**
 * @template {string} T
 * @param {string} label
 * @param {string} name
 * @param {T} value
 * @param {Record<T, string>} options
 * @param {(value: T) => void} change
 */
const choice = (label, name, value, options, change) =>
  html`<fieldset class="choice">
    <legend>${label}</legend>
    <div>
      ${Object.entries(options).map(
        ([key, words]) =>
          html`<label>
            <input
              type="radio"
              name=${name}
              value=${key}
              .checked=${key === value}
              @change=${() => change(/** @type {T} */ (key))}
            />
            <span>${words}</span></label
          >`,
      )}
    </div>
  </fieldset>`;

/** @param {string} label @param {boolean} on @param {(on: boolean) => unknown} change @param {boolean} [disabled] */
const toggle = (label, on, change, disabled = false) =>
  html`<label class="toggle"
    ><span>${label}</span>
    <input
      type="checkbox"
      role="switch"
      .checked=${on}
      ?disabled=${disabled}
      @change=${(/** @type {Event} */ { target }) => change(/** @type {HTMLInputElement} */ (target).checked)}
  /></label>`;
