// Keyboard shortcuts and commands.

import { touches } from "../../browser/field.js";
import { listed, rich, t } from "../../i18n/messages.js";
import { helpText, namesOf, usageText } from "../../text/commands.js";
import { html, nothing } from "../../vendor/lit-html.js";
import { dialogView } from "./dialog.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Usage} Usage */

/** @param {State} state @param {import("../../actions/actions.js").Actions} act */
export const helpView = (state, act) =>
  dialogView(
    state,
    act,
    t("help.title"),
    html` <h3>${t("help.keys")}</h3>
      <dl class="keys">
        ${touches() ? touchKeys() : keyboardKeys()}
        ${shortcut(["↑"], t("help.edit"))} ${shortcut([t("key.tab")], rich("help.complete", EXAMPLES))}
        ${shortcut([t("key.alt"), "↑", "↓"], t("help.rooms"))} ${shortcut([t("key.ctrl"), "K"], t("help.search"))}
      </dl>
      <h3>${t("help.commands")}</h3>
      <dl class="commands">${state.commands.map(commandView)}</dl>`,
  );

const keyboardKeys = () =>
  html`${shortcut([t("key.enter")], t("help.send"))} ${shortcut([t("key.shift"), t("key.enter")], t("help.new_line"))}`;

/** Where Enter begins a new line, as `touches` says. */
const touchKeys = () =>
  html`${shortcut([t("key.enter")], t("help.new_line"))} ${shortcut([t("key.ctrl"), t("key.enter")], t("help.send"))}`;

const EXAMPLES = {
  name: html`<code>@name</code>`,
  command: html`<code>/command</code>`,
  emoji: html`<code>:emoji:</code>`,
};

/** @param {readonly string[]} keys @param {unknown} use */
const shortcut = (keys, use) =>
  html`<dt>${keys.map((key, index) => html`${index ? " " : ""}<kbd>${key}</kbd>`)}</dt>
    <dd>${use}</dd>`;

/** @param {Usage} usage */
function commandView(usage) {
  const [, ...aliases] = namesOf(usage).map((name) => `/${name}`);
  const also = aliases.length ? html`<br />${t("help.also", { names: listed(aliases) })}` : nothing;
  return html`<dt><code>${usageText(usage)}</code></dt>
    <dd>${helpText(usage)}${also}</dd>`;
}
