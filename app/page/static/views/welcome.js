// The first screen: who one is.

import { html, nothing } from "../vendor/lit-html.js";
import { isConversation } from "../state/initial.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act */
export function welcomeView(state, act) {
  const { entering, connection, limits, current } = state;
  const waits = entering.busy && connection.phase === "waiting";
  return html`<main class="welcome">
    <form @submit=${submitted(state, act)}>
      <img src=${icon()} alt="" width="56" height="56" />
      <h1>Natter</h1>
      ${
        current && !isConversation(current)
          ? html`<p class="quiet">You will join <strong>#${current}</strong></p>`
          : nothing
      }
      <label for="name">Your name</label>
      <input
        id="name"
        name="name"
        required
        maxlength=${limits.name || 64}
        autocomplete="nickname"
        autocapitalize="off"
        spellcheck="false"
        .value=${entering.name}
        aria-describedby="name-problem"
        aria-invalid=${entering.problem ? "true" : "false"}
      />
      <p id="name-problem" class="problem" role="alert">${entering.problem}</p>
      ${entering.code === "name_taken" || entering.code === "wrong_password" ? password() : nothing}
      <button type="submit" class="primary" ?disabled=${entering.busy && !waits}>
        ${entering.busy ? "Joining …" : "Join"}
      </button>
      ${waits ? html`<p class="problem">${connection.why} Trying again …</p>` : nothing}
    </form>
  </main>`;
}

const password = () =>
  html`<label for="password">Or log in, if a password protects the name</label>
    <input id="password" name="password" type="password" autocomplete="current-password" />`;

/** The address under which the page has its icon. */
const icon = () => document.querySelector('link[rel="icon"]')?.getAttribute("href") ?? nothing;

/** @param {State} state @param {Actions} act */
const submitted = (state, act) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
  const [name, secret] = [String(data.get("name")), String(data.get("password") ?? "")];
  if (state.entering.busy && state.connection.phase === "waiting") act.reconnect();
  else if (secret) act.login(name, secret);
  else act.enter(name);
};
