// A room that an address led to and that this person was never in: joining it is theirs to decide.

import { t } from "../../i18n/messages.js";
import { html } from "../../vendor/lit-html.js";

/** @param {import("../../types.d.ts").Room} room @param {import("../../actions/actions.js").Actions} act */
export const offerView = ({ name }, act) =>
  html`<div class="log-frame">
    <div class="log">
      <div class="beginning offer">
        <h2 dir="auto">#${name}</h2>
        <p>${t("log.offer")}</p>
        <button type="button" class="primary" @click=${() => act.join(name)}>${t("welcome.join")}</button>
      </div>
    </div>
  </div>`;
