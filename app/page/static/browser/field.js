// The field that people write in, beside what the view draws of it.

import { fieldText } from "../state/initial.js";

/** Keeps the field at the text that it has to show, at once. The page may draw later than the person types: what is
 * typed after Enter must not come on top of what was sent.
 * @param {import("../types.d.ts").Store} store
 * @param {() => Element | null} find
 */
export function keepField(store, find) {
  store.subscribe((state, _action, before) => {
    const text = fieldText(state);
    const field = text === fieldText(before) ? null : find();
    if (field instanceof HTMLTextAreaElement && field.value !== text) write(field, text);
  });
}

/** @param {HTMLTextAreaElement} field @param {string} text @param {number} [caret] */
export function write(field, text, caret = text.length) {
  field.value = text;
  field.setSelectionRange(caret, caret);
  grow(field);
}

/** Makes the field as high as its text, in browsers that can't do so by CSS.
 * @param {Element | undefined} element
 */
export function grow(element) {
  if (!(element instanceof HTMLTextAreaElement) || CSS.supports("field-sizing", "content")) return;
  element.style.height = "auto";
  element.style.height = `${element.scrollHeight}px`;
}

/** Whether a key belongs to an input method, which composes letters of several keys. Safari ends the composition before
 * it tells of the key that ended it, which has this code then.
 * @param {KeyboardEvent} event
 */
export const composes = ({ isComposing, keyCode }) => isComposing || keyCode === 229;

/** Whether people write with a keyboard on the screen, where there is no other key for a new line than Enter. */
export const touches = () => matchMedia("(pointer: coarse)").matches;
