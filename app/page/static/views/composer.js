// The field that people write in, with suggestions above it.

import { composes, grow, touches, write } from "../browser/field.js";
import { listed, t } from "../i18n/messages.js";
import { editingOf, fieldText } from "../state/initial.js";
import { bytesLeft } from "../text/size.js";
import { html, live, nothing, ref, repeat } from "../vendor/lit-html.js";
import { icon } from "./icons.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** What is left is shown from this part of the limit on. */
const NEAR_LIMIT = 0.8;

/** @param {State} state @param {Room} room @param {Actions} act */
export function composerView(state, room, act) {
  const { completion, limits, refusal } = state;
  const text = fieldText(state);
  const left = bytesLeft(text, limits, room.name);
  const tooLong = left < 0;
  const disabled = room.status === "left";
  return html`<form class="composer" @submit=${submitted(act)}>
    ${completion ? completionView(completion, act) : nothing} ${editingOf(state) ? editingView(act) : audienceView(room)}
    <p id="refusal" class="problem" role="alert">${refusal || nothing}</p>
    <div class="field">
      <label class="hidden" for="text">${t("composer.message")}</label>
      <textarea
        id="text"
        name="text"
        rows="1"
        dir="auto"
        placeholder=${placeholder(room)}
        ?disabled=${disabled}
        autocomplete="off"
        aria-autocomplete="list"
        aria-controls=${completion ? "completion" : nothing}
        aria-activedescendant=${completion ? `candidate-${completion.index}` : nothing}
        aria-describedby="refusal"
        enterkeyhint=${touches() ? "enter" : "send"}
        .value=${live(text)}
        ${ref(grow)}
        @input=${typed(act)}
        @keydown=${pressed(act)}
        @blur=${() => act.set({ completion: null })}
      ></textarea>
      <button
        type="submit"
        class="send"
        aria-label=${t("composer.send")}
        title=${t("composer.send")}
        ?disabled=${tooLong || disabled}
      >
        ${icon("send")}
      </button>
    </div>
    <p class=${tooLong ? "limit over" : "limit"}>${limitText(left, limits)}</p>
  </form>`;
}

/** @param {Room} room */
function placeholder({ status, conversation, others, name }) {
  const names = listed(others) || t("person.self");
  if (status === "left") return t("composer.not_in", { room: conversation ? names : `#${name}` });
  return conversation ? t("composer.to_conversation", { names }) : t("composer.to_room", { room: `#${name}` });
}

/** @param {Actions} act */
const editingView = (act) =>
  html`<div class="mode">
    ${icon("edit")}<span>${t("composer.editing")}</span>
    <button type="button" class="link" @click=${() => act.stopEditing()}>${t("composer.cancel")}</button>
  </div>`;

/** Who reads what is written in a conversation.
 * @param {Room} room
 */
const audienceView = ({ conversation, others }) =>
  conversation && others.length
    ? html`<p class="mode">${icon("lock")}<span dir="auto">${t("composer.audience", { names: listed(others) })}</span></p>`
    : nothing;

/** @param {number} left @param {State["limits"]} limits */
function limitText(left, { message, frame }) {
  if (left > Math.min(message || frame, frame) * (1 - NEAR_LIMIT)) return nothing;
  return t(left < 0 ? "composer.over" : "composer.left", { count: Math.abs(left) });
}

/** @param {NonNullable<State["completion"]>} completion @param {Actions} act */
const completionView = ({ items, index }, act) =>
  html`<ul id="completion" class="completion" role="listbox" aria-label=${t("composer.suggestions")}>
    ${repeat(
      items,
      ({ label }) => label,
      ({ label, hint }, at) =>
        html`<li
          role="option"
          id="candidate-${at}"
          aria-selected=${at === index ? "true" : "false"}
          @mousedown=${picked(act, at)}
        >
          <bdi>${label}</bdi>${hint ? html`<span class="quiet">${hint}</span>` : nothing}
        </li>`,
    )}
  </ul>`;

/** @param {Actions} act @param {number} index */
const picked = (act, index) => (/** @type {MouseEvent} */ event) => {
  event.preventDefault(); // the field keeps the focus
  const field = document.querySelector("#text");
  if (field instanceof HTMLTextAreaElement) accept(field, act, index);
};

/** @param {HTMLTextAreaElement} field @param {Actions} act @param {number} [index] of the suggestion */
function accept(field, act, index) {
  const { text, caret } = act.accept(field.value, index);
  write(field, text, caret);
}

/** @param {Actions} act */
const typed =
  (act) =>
  (/** @type {Event} */ { target }) => {
    const field = /** @type {HTMLTextAreaElement} */ (target);
    grow(field);
    act.input(field.value, field.selectionStart);
  };

/** @param {Actions} act */
const submitted = (act) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const field = /** @type {HTMLFormElement} */ (event.target).elements.namedItem("text");
  if (!(field instanceof HTMLTextAreaElement)) return;
  act.submit(field.value);
  field.focus();
};

/** @param {Actions} act */
const pressed = (act) => (/** @type {KeyboardEvent} */ event) => {
  const { key } = event;
  const field = /** @type {HTMLTextAreaElement} */ (event.target);
  if (composes(event)) return;
  const completion = act.completion();
  if (completion && completes(event, field, completion, act)) return event.preventDefault();
  if (key === "Enter" && sends(event)) {
    event.preventDefault();
    field.form?.requestSubmit();
  } else if (key === "Escape" && act.stopEditing()) {
    event.stopPropagation();
  } else if (key === "ArrowUp" && !field.value && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    act.editLast();
  }
};

/** Whether Enter sends, rather than to begin a new line. @param {KeyboardEvent} event */
const sends = ({ shiftKey, altKey, ctrlKey, metaKey }) => !shiftKey && !altKey && (ctrlKey || metaKey || !touches());

/** Handles a key if it is for the list of suggestions; gives whether it was.
 * @param {KeyboardEvent} event
 * @param {HTMLTextAreaElement} field
 * @param {NonNullable<State["completion"]>} completion
 * @param {Actions} act
 */
function completes({ key, shiftKey }, field, { items, index, from, to }, act) {
  const whole = items[index].whole || field.value.slice(from, to) === items[index].insert.trim();
  if (key === "ArrowDown" || key === "ArrowUp") act.choose(key === "ArrowDown" ? 1 : -1);
  else if (key === "Escape") act.set({ completion: null });
  else if (key === "Tab" || (key === "Enter" && !shiftKey && !whole)) accept(field, act);
  else return false;
  return true;
}
