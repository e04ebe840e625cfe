// A dialog: the browser keeps the focus in it, and gives it back when it closes.

import { t } from "../../i18n/messages.js";
import { html, keyed, nothing, ref } from "../../vendor/lit-html.js";
import { iconButton } from "../icons.js";
import { toastView } from "../toast.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/** Each dialog has an element of its own, also if it takes the place of one that was just closed. Toasts are in it while
 * it is open: it covers everything else.
 * @param {State} state
 * @param {Actions} act
 * @param {unknown} title
 * @param {unknown} content
 */
export const dialogView = (state, act, title, content) =>
  keyed(state.dialog, elementView(state, act, title, content));

/** @param {State} state @param {Actions} act @param {unknown} title @param {unknown} content */
const elementView = (state, act, title, content) =>
  html`<dialog
    aria-labelledby="dialog-title"
    ${ref(show)}
    @close=${() => act.closeDialog(state.dialog)}
    @click=${closeOutside}
  >
    <div class="sheet" @click=${once}>
      <header>
        <h2 id="dialog-title">${title}</h2>
        ${iconButton("close", t("dialog.close"), () => act.closeDialog())}
      </header>
      <p class="problem" role="alert">${state.problem || nothing}</p>
      ${content}
    </div>
    ${toastView(state)}
  </dialog>`;

/** Lets the second click of a double click do nothing: what the first one asked for may be done and not drawn yet. */
const once = {
  capture: true,
  /** @param {MouseEvent} event */
  handleEvent(event) {
    if (event.detail < 2 || !(event.target instanceof Element && event.target.closest("button"))) return;
    event.preventDefault();
    event.stopPropagation();
  },
};

/** The element that had the focus before, and gets it back. @type {Element | null} */
let opener = null;
/** @type {HTMLDialogElement | null} */
let shown = null;

/** @param {Element | undefined} element undefined when the dialog is removed */
function show(element) {
  if (element instanceof HTMLDialogElement) {
    opener = document.activeElement;
    shown = element;
    queueMicrotask(() => open(element));
  } else if (opener instanceof HTMLElement && opener.isConnected && !isFocusElsewhere()) opener.focus();
}

/** Whether somebody has gone on somewhere else: the browser closes a dialog before it is removed. */
function isFocusElsewhere() {
  const { activeElement, body } = document;
  return activeElement !== null && activeElement !== body && !shown?.contains(activeElement);
}

/** Opens the dialog. The focus goes to the field marked `data-focus`, or else to the first one.
 * @param {HTMLDialogElement} element
 */
function open(element) {
  if (!element.isConnected || element.open) return;
  element.showModal();
  const field = element.querySelector("[data-focus]");
  if (field instanceof HTMLElement) field.focus();
}

/** Closes the dialog when somebody clicks beside it.
 * @param {MouseEvent} event
 */
function closeOutside({ target }) {
  if (target instanceof HTMLDialogElement) target.close();
}

/** Handles the submission of a form: `use` gets the values of its fields by their names.
 * @param {(fields: Record<string, string>, form: HTMLFormElement) => unknown} use
 */
export const fields = (use) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  const data = new FormData(form, event.submitter);
  use(Object.fromEntries([...data].map(([name, value]) => [name, String(value)])), form);
};
