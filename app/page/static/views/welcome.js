// The first screen: choose a name.

import { rich, t } from "../i18n/messages.js";
import { isConversation } from "../state/initial.js";
import { html, nothing } from "../vendor/lit-html.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act */
export function welcomeView(state, act) {
  const { entering, connection, limits, current } = state;
  const waits = entering.busy && connection.phase === "waiting";
  return html`<main class="welcome">
    <form @submit=${submitted(state, act)}>
      <img src=${iconAddress()} alt="" width="56" height="56" />
      <h1>${t("document.title")}</h1>
      ${current && !isConversation(current) ? roomView(current) : nothing}
      <label for="name">${t("welcome.name")}</label>
      <input
        id="name"
        name="name"
        required
        maxlength=${limits.name || 64}
        autocomplete=${entering.asksPassword ? "username" : "nickname"}
        autocapitalize="off"
        spellcheck="false"
        .value=${entering.name}
        aria-describedby="name-problem"
        aria-invalid=${entering.problem ? "true" : "false"}
      />
      <p id="name-problem" class="problem" role="alert">${entering.problem}</p>
      ${entering.asksPassword ? passwordView() : nothing}
      <button type="submit" class="primary" ?disabled=${entering.busy && !waits}>
        ${t(entering.busy ? "welcome.joining" : "welcome.join")}
      </button>
      ${waits ? html`<p class="problem">${t("status.retrying", { why: connection.why })}</p>` : nothing}
    </form>
  </main>`;
}

/** @param {string} room */
const roomView = (room) =>
  html`<p class="quiet">${rich("welcome.room", { room: html`<strong>#${room}</strong>` })}</p>`;

const passwordView = () =>
  html`<label for="password">${t("welcome.password")}</label>
    <input id="password" name="password" type="password" autocomplete="current-password" />`;

/** Where the icon is: its address names its content, and the page knows it. */
const iconAddress = () => document.querySelector('link[rel="icon"]')?.getAttribute("href") ?? nothing;

/** @param {State} state @param {Actions} act */
const submitted = (state, act) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
  const [name, password] = [String(data.get("name")), String(data.get("password") ?? "")];
  if (state.entering.busy && state.connection.phase === "waiting") act.reconnect();
  else if (password) act.login(name, password);
  else act.enter(name);
};
