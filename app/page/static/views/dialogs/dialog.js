// A dialog: the browser keeps the focus in it, and gives it back.

import { html, nothing, ref } from "../../vendor/lit-html.js";
import { icon } from "../icons.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/**
 * @param {State} state
 * @param {Actions} act
 * @param {unknown} title
 * @param {unknown} content
 */
export const dialogView = (state, act, title, content) =>
  html`<dialog aria-labelledby="dialog-title" ${ref(show)} @close=${() => act.closeDialog()} @click=${outside}>
    <div class="sheet">
      <header>
        <h2 id="dialog-title">${title}</h2>
        <button type="button" class="tool" aria-label="Close" title="Close" @click=${() => act.closeDialog()}>
          ${icon("close")}
        </button>
      </header>
      <p class="problem" role="alert">${state.problem || nothing}</p>
      ${content}
    </div>
  </dialog>`;

/** What had the focus before, and gets it back. @type {Element | null} */
let opener = null;

/** @param {Element | undefined} element none when the dialog is gone */
function show(element) {
  if (element instanceof HTMLDialogElement) {
    opener = document.activeElement;
    queueMicrotask(() => open(element));
  } else if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
}

/** @param {HTMLDialogElement} element it begins at a field that asks for the focus, or at its beginning */
function open(element) {
  if (!element.isConnected || element.open) return;
  element.showModal();
  const field = element.querySelector("[data-focus]");
  if (field instanceof HTMLElement) field.focus();
}

/** A click beside it closes it.
 * @param {MouseEvent} event
 */
function outside({ target }) {
  if (target instanceof HTMLDialogElement) target.close();
}

/** Handles the submission of a form with what is in its fields.
 * @param {(fields: Record<string, string>, form: HTMLFormElement) => unknown} use
 */
export const fields = (use) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  const data = new FormData(form, event.submitter);
  use(Object.fromEntries([...data].map(([name, value]) => [name, String(value)])), form);
};
