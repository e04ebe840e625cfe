// Searching the room.

import { html, nothing, repeat } from "../vendor/lit-html.js";
import { dayName, time } from "../i18n/time.js";
import { icon } from "./icons.js";
import { nameOf } from "./names.js";
import { textOf } from "./text.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act */
export function searchView(state, act) {
  const { words, events, more, busy, problem, done } = state.search;
  const older = () => void act.find(words, events[0].seq);
  return html`<aside
    class="side search"
    aria-label="Search"
    @keydown=${(/** @type {KeyboardEvent} */ { key }) => key === "Escape" && act.stopSearching()}
  >
    <header>
      <h2>Search</h2>
      <button type="button" class="tool" aria-label="Close search" title="Close" @click=${() => act.stopSearching()}>
        ${icon("close")}
      </button>
    </header>
    <form @submit=${searched(act)}>
      <label class="hidden" for="words">Words to search for</label>
      <input
        id="words"
        name="words"
        type="search"
        placeholder="Words, or the start of one: te*"
        maxlength="500"
        .value=${words}
      />
    </form>
    <p class="quiet" aria-live="polite">${busy ? "Searching …" : problem || summary(done, events.length, more)}</p>
    <ol class="found">
      ${repeat(
        [...events].reverse(),
        ({ seq }) => seq,
        (event) => found(event, act),
      )}
    </ol>
    ${more ? html`<button type="button" class="secondary" @click=${older}>Older ones</button>` : nothing}
  </aside>`;
}

/** @param {boolean} done @param {number} count @param {boolean} more */
function summary(done, count, more) {
  if (!done) return "All of the words must be in a message.";
  if (!count) return "No message has all of these words.";
  return `${count}${more ? " or more" : ""} ${count === 1 ? "message" : "messages"}`;
}

/** @param {Actions} act */
const searched = (act) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const words = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("words")).trim();
  if (words) void act.find(words);
};

/** @param {import("../types.d.ts").LogEvent} event @param {Actions} act */
const found = ({ room, seq, from, user, text = "", ts }, act) =>
  html`<li>
    <div class="head">${nameOf(from, user)} <time datetime=${ts}>${dayName(ts, Date.now())} ${time(ts)}</time></div>
    <div class="said">${textOf(text, [])}</div>
    <button type="button" class="link" @click=${() => act.go(room, seq)}>Show in the room</button>
  </li>`;
