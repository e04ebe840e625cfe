// Searching the room.

import { dayName, time } from "../i18n/format.js";
import { t } from "../i18n/messages.js";
import { html, nothing, repeat } from "../vendor/lit-html.js";
import { iconButton } from "./icons.js";
import { nameView } from "./names.js";
import { textView } from "./text.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act */
export function searchView(state, act) {
  const { words, events, more } = state.search;
  const older = () => void act.find(words, events[0].seq);
  return html`<aside
    class="panel search"
    aria-label=${t("search.title")}
    @keydown=${(/** @type {KeyboardEvent} */ { key }) => key === "Escape" && act.stopSearching()}
  >
    <header>
      <h2>${t("search.title")}</h2>
      ${iconButton("close", t("search.close"), () => act.stopSearching())}
    </header>
    <form @submit=${submitted(act)}>
      <label class="hidden" for="words">${t("search.label")}</label>
      <input
        id="words"
        name="words"
        type="search"
        placeholder=${t("search.placeholder")}
        maxlength="500"
        .value=${words}
      />
    </form>
    <p class="quiet" aria-live="polite">${summary(state.search)}</p>
    <ol class="found">
      ${repeat(
        [...events].reverse(),
        ({ seq }) => seq,
        (event) => resultView(event, act),
      )}
    </ol>
    ${more ? html`<button type="button" class="secondary" @click=${older}>${t("search.more")}</button>` : nothing}
  </aside>`;
}

/** @param {State["search"]} search */
function summary({ busy, problem, done, events, more }) {
  if (busy) return t("search.searching");
  if (problem) return problem;
  if (!done) return t("search.hint");
  const count = events.length;
  return count ? t(more ? "search.count.more" : "search.count", { count }) : t("search.none");
}

/** @param {Actions} act */
const submitted = (act) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const words = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("words")).trim();
  if (words) void act.find(words);
};

/** @param {import("../types.d.ts").LogEvent} event @param {Actions} act */
const resultView = ({ room, seq, from, user, text = "", ts }, act) =>
  html`<li>
    <div class="head">${nameView(from, user)} <time datetime=${ts}>${dayName(ts, Date.now())} ${time(ts)}</time></div>
    <div class="said">${textView(text, [])}</div>
    <button type="button" class="link" @click=${() => act.go(room, seq)}>${t("search.show")}</button>
  </li>`;
