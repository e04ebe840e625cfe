// Where one writes.

import { html, live, nothing, ref, repeat } from "../vendor/lit-html.js";
import { listed } from "./hues.js";
import { icon } from "./icons.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../actions/actions.js").Actions} Actions */

/** From this part of the limit on one is told how much is left. */
const NEAR = 0.8;
/** How many bytes are in a frame beside the text and the name of the room at most. */
const AROUND = 200;
const ENCODER = new TextEncoder();

/** @param {State} state @param {Room} room @param {Actions} act */
export function composerView(state, room, act) {
  const { editing, completion, limits } = state;
  const text = editing?.text ?? state.drafts[room.name] ?? "";
  const left = bytesLeft(text, limits, room.name);
  const over = left < 0;
  const shut = room.status === "left";
  const name = room.conversation ? listed(room.others) || "yourself" : `#${room.name}`;
  return html`<form class="composer" @submit=${submitted(act, over)}>
    ${completion ? completionView(completion, act) : nothing}
    ${
      editing
        ? html`<div class="mode">
            ${icon("edit")}<span>Editing a message</span>
            <button type="button" class="link" @click=${() => act.stopEditing()}>Cancel</button>
          </div>`
        : nothing
    }
    <div class="field">
      <label class="hidden" for="text">Message</label>
      <textarea
        id="text"
        name="text"
        rows="1"
        dir="auto"
        placeholder=${shut ? `You are not in ${name}` : room.conversation ? `Whisper to ${name}` : `Message ${name}`}
        ?disabled=${shut}
        autocomplete="off"
        aria-autocomplete="list"
        aria-controls=${completion ? "completion" : nothing}
        aria-activedescendant=${completion ? `candidate-${completion.index}` : nothing}
        enterkeyhint="send"
        .value=${live(text)}
        ${ref(grow)}
        @input=${typed(act)}
        @keydown=${pressed(state, act)}
        @blur=${() => act.set({ completion: null })}
      ></textarea>
      <button type="submit" class="send" aria-label="Send" title="Send" ?disabled=${over || shut}>
        ${icon("send")}
      </button>
    </div>
    <p class=${over ? "limit over" : "limit"}>${limitOf(left, limits)}</p>
  </form>`;
}

/** How much more may be said: the server bounds the bytes of a message, and those of the frame around it, in which
 * quotes and line breaks take two.
 * @param {string} text
 * @param {State["limits"]} limits
 * @param {string} room
 */
function bytesLeft(text, { message, frame }, room) {
  const rest = frame - AROUND - room.length;
  if (text.length * 6 < Math.min(message || rest, rest)) return Infinity;
  const bytes = message ? message - ENCODER.encode(text).length : Infinity;
  return Math.min(bytes, rest - ENCODER.encode(JSON.stringify(text)).length);
}

/** @param {number} left @param {State["limits"]} limits */
function limitOf(left, { message, frame }) {
  if (left > Math.min(message || frame, frame) * (1 - NEAR)) return nothing;
  return left < 0 ? `${-left} bytes too long for one message` : `${left} bytes left`;
}

/** A text field is as high as what is in it, up to what the style allows.
 * @param {Element | undefined} element
 */
function grow(element) {
  if (!(element instanceof HTMLTextAreaElement) || CSS.supports("field-sizing", "content")) return;
  element.style.height = "auto";
  element.style.height = `${element.scrollHeight}px`;
}

/** @param {NonNullable<State["completion"]>} completion @param {Actions} act */
const completionView = ({ items, index }, act) =>
  html`<ul id="completion" class="completion" role="listbox" aria-label="Suggestions">
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
  if (field instanceof HTMLTextAreaElement) put(field, act.accept(field.value, index));
};

/** @param {HTMLTextAreaElement} field @param {{ text: string, caret: number }} next */
function put(field, { text, caret }) {
  field.value = text;
  field.setSelectionRange(caret, caret);
  grow(field);
}

/** @param {Actions} act */
const typed =
  (act) =>
  (/** @type {Event} */ { target }) => {
    const field = /** @type {HTMLTextAreaElement} */ (target);
    grow(field);
    act.input(field.value, field.selectionStart);
  };

/** @param {Actions} act @param {boolean} over */
const submitted = (act, over) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const field = /** @type {HTMLFormElement} */ (event.target).elements.namedItem("text");
  if (over || !(field instanceof HTMLTextAreaElement)) return;
  act.submit(field.value);
  field.focus();
};

/** @param {State} state @param {Actions} act */
const pressed = (state, act) => (/** @type {KeyboardEvent} */ event) => {
  const { key } = event;
  const field = /** @type {HTMLTextAreaElement} */ (event.target);
  if (event.isComposing) return;
  if (state.completion && completes(event, field, state.completion, act)) return event.preventDefault();
  if (key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey) {
    event.preventDefault();
    field.form?.requestSubmit();
  } else if (key === "Escape" && state.editing) {
    event.stopPropagation();
    act.stopEditing();
  } else if (key === "ArrowUp" && !field.value && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    act.editLast();
  }
};

/** Whether the key was for the list of suggestions.
 * @param {KeyboardEvent} event
 * @param {HTMLTextAreaElement} field
 * @param {NonNullable<State["completion"]>} completion
 * @param {Actions} act
 */
function completes({ key, shiftKey }, field, { items, index, from, to }, act) {
  const whole = field.value.slice(from, to) === items[index].insert.trim();
  if (key === "ArrowDown" || key === "ArrowUp") act.choose(key === "ArrowDown" ? 1 : -1);
  else if (key === "Escape") act.set({ completion: null });
  else if (key === "Tab" || (key === "Enter" && !shiftKey && !whole)) put(field, act.accept(field.value));
  else return false;
  return true;
}
