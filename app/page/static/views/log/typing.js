// Who is typing in the room.

import { listed, t } from "../../i18n/messages.js";
import { html } from "../../vendor/lit-html.js";

/** More names than this are not listed. */
const MOST_NAMES = 3;

/** @param {import("../../types.d.ts").Room} room */
export function typingView(room) {
  const names = Object.keys(room.typing);
  const count = names.length;
  if (!count) return html`<p class="typing"></p>`;
  const text = count > MOST_NAMES ? t("log.typing.several") : t("log.typing", { count, names: listed(names) });
  return html`<p class="typing">
    <bdi>${text}</bdi><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>
  </p>`;
}
