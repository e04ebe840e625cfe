// Searching all rooms and whispers, or one room.

import { composes } from "../browser/field.js";
import { dayName, time } from "../i18n/format.js";
import { listed, t } from "../i18n/messages.js";
import { isConversation } from "../state/initial.js";
import { excerpt } from "../text/marks.js";
import { html, live, nothing, repeat } from "../vendor/lit-html.js";
import { choiceView } from "./choice.js";
import { iconButton } from "./icons.js";
import { nameView } from "./names.js";
import { textView } from "./text.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").FoundEvent} FoundEvent */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Actions} act */
export function searchView(state, act) {
  const { words, events, more, busy, partial, behind } = state.search;
  return html`<aside
    class="panel search"
    aria-label=${t("search.title")}
    @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && !composes(event) && act.stopSearching()}
  >
    <header>
      <h2>${t("search.title")}</h2>
      ${iconButton("close", t("search.close"), act.stopSearching)}
    </header>
    <form @submit=${submitted(act)}>
      <label class="hidden" for="words">${t("search.label")}</label>
      <input
        id="words"
        type="search"
        placeholder=${t("search.label")}
        maxlength="499"
        autocomplete="off"
        .value=${live(words)}
        @input=${typed(act)}
        @compositionend=${typed(act)}
      />
      ${scopeView(state, act)}
    </form>
    <p class="quiet" aria-live="polite">${summary(state.search)}</p>
    ${behind ? html`<p class="quiet">${t("search.behind", { count: behind })}</p>` : nothing}
    <ol class="found" aria-busy=${busy}>
      ${repeat(
        [...events].reverse(),
        ({ id }) => id,
        (event) => resultView(state, event, act),
      )}
    </ol>
    ${partial ? html`<p class="quiet">${t("search.partial")}</p>` : nothing}
    ${more ? html`<button type="button" class="secondary" @click=${act.older}>${t("search.more")}</button>` : nothing}
  </aside>`;
}

/** Which rooms to search: all, or the one in view when that was chosen.
 * @param {State} state
 * @param {Actions} act
 */
function scopeView(state, act) {
  const { room, single } = state.search;
  const one = room || state.current;
  const options = { ...(single ? {} : { "": t("search.everywhere") }), [one]: placeOf(state, one) };
  return choiceView(t("search.title"), "scope", room, options, (value) => act.find({ room: value }));
}

/** What a room is called, or who a conversation is with.
 * @param {State} state
 * @param {string} room
 * @param {readonly string[]} [names] of its people, if the conversation is not known
 */
const placeOf = ({ rooms }, room, names = []) =>
  isConversation(room) ? listed(rooms[room]?.others ?? names) || t("person.self") : `#${room}`;

/** @param {State["search"]} search */
function summary({ busy, problem, done, events, more }) {
  if (problem) return problem;
  if (!done && busy) return t("search.searching");
  if (!done) return t("search.hint");
  const count = events.length;
  return count ? t(more ? "search.count.more" : "search.count", { count }) : t("search.none");
}

/** @param {Actions} act */
const typed = (act) => (/** @type {any} */ { target, isComposing }) => act.typed(target.value, isComposing);

/** @param {Actions} act */
const submitted = (act) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  act.find();
};

/** @param {State} state @param {FoundEvent} event @param {Actions} act */
function resultView(state, event, act) {
  const { room, seq, from, user, ts, to = [] } = event;
  const { text, marks } = excerpt(event.text ?? "", event.marks);
  const place = placeOf(state, room, [from, ...to]);
  return html`<li>
    <div class="head">
      <bdi class="place">${isConversation(room) ? t("search.whispers", { names: place }) : place}</bdi>
      <time datetime=${ts}>${dayName(ts, Date.now())} ${time(ts)}</time>
    </div>
    <div class="said">${nameView(from, user)} ${textView(text, state, event, marks)}</div>
    <button type="button" class="link" @click=${() => show(room, seq, act)}>${t("search.show")}</button>
  </li>`;
}

/** Goes to a message, and closes the panel where it covers the messages.
 * @param {string} room
 * @param {number} seq
 * @param {Actions} act
 */
function show(room, seq, act) {
  act.uncover();
  act.go(room, seq);
}
