// One of a few options, side by side.

import { html } from "../vendor/lit-html.js";

/**
 * @template {string} T
 * @param {string} label
 * @param {string} name
 * @param {T} value
 * @param {Record<T, string>} options
 * @param {(value: T) => void} change
 */
export const choiceView = (label, name, value, options, change) =>
  html`<fieldset class="choice">
    <legend>${label}</legend>
    <div>
      ${Object.entries(options).map(
        ([key, text]) =>
          html`<label>
            <input
              type="radio"
              name=${name}
              value=${key}
              .checked=${key === value}
              @change=${() => change(/** @type {T} */ (key))}
            />
            <span>${text}</span></label
          >`,
      )}
    </div>
  </fieldset>`;
