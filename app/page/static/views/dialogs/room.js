// One room: its topic, who runs it, and what operators can set.

import { duration } from "../../i18n/format.js";
import { listed, t } from "../../i18n/messages.js";
import { html, nothing } from "../../vendor/lit-html.js";
import { choiceView } from "../choice.js";
import { dialogView, fields } from "./dialog.js";
import { moderate } from "./moderate.js";
import { moderatedView } from "./moderated.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Room} Room */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/** @param {State} state @param {Room} room @param {Actions} act */
export const roomView = (state, room, act) =>
  dialogView(
    state,
    act,
    html`<bdi>#${room.name}</bdi>`,
    html` ${topicView(state, room, act)}
      <p class="quiet">${factsOf(room).map((fact, index) => html`${index ? html`<br />` : nothing}${fact}`)}</p>
      ${room.rank ? operatorView(room, act) : nothing} ${room.rank ? moderatedView(state, room, act) : nothing}
      ${room.rank ? html`<p class="quiet">${t(visibilityNote(room))}</p>` : nothing}
      <div class="buttons">
        ${room.rank ? visibilityButton(state, room, act) : nothing}
        <button type="button" class="secondary" @click=${() => void act.copyLink(room.name)}>
          ${t("room_dialog.copy_link")}
        </button>
        <button type="button" class="secondary" @click=${() => void act.leave(room.name)}>
          ${t("room_dialog.leave")}
        </button>
      </div>`,
  );

/** @param {State} state @param {Room} room @param {Actions} act */
function topicView({ limits }, { rank, owner, topic }, act) {
  const mayChange = rank !== "" || owner === "";
  return html`<form
    class="line"
    @submit=${fields(({ text }) => void act.moderate({ t: "topic", text: text.trim() }))}
  >
    <label for="topic">${t("room_dialog.topic")}</label>
    <input
      id="topic"
      name="text"
      dir="auto"
      maxlength=${limits.topic || 1000}
      ?readonly=${!mayChange}
      .value=${topic}
    />
    ${mayChange ? html`<button class="secondary">${t("dialog.save")}</button>` : nothing}
  </form>`;
}

/** What is set for the room, one fact a line.
 * @param {Room} room
 */
const factsOf = ({ owner, operators, isPrivate, slow, mentions }) =>
  [
    isPrivate ? t("room.private") : "",
    owner ? t("room.owner", { name: owner }) : t("room.owner.none"),
    operators.length ? t("room.operators", { names: listed(operators) }) : "",
    slow ? t("room.slow", { interval: duration(slow) }) : "",
    mentions === "all" ? t("room.mentions") : "",
  ].filter(Boolean);

/** @param {Room} room @param {Actions} act */
const operatorView = ({ slow, mentions }, act) =>
  html` <form
      class="line"
      @submit=${fields(({ seconds }) => void act.moderate({ t: "slow", seconds: Number(seconds) }))}
    >
      <label for="slow">${t("room_dialog.slow")}</label>
      <input id="slow" name="seconds" type="number" min="0" max="86400" required .value=${String(slow)} />
      <button class="secondary">${t("dialog.save")}</button>
    </form>
    ${mentionsView(mentions, act)}
    <form
      class="line"
      @submit=${fields(async ({ name }, form) => {
        if (await act.moderate({ t: "invite", name: name.trim() })) form.reset();
      })}
    >
      <label for="by-name">${t("room_dialog.by_name")}</label>
      <input id="by-name" name="name" required placeholder=${t("room_dialog.name")} autocomplete="off" />
      <button class="secondary">${t("room_dialog.invite")}</button>
    </form>`;

/** @param {string} mentions @param {Actions} act */
const mentionsView = (mentions, act) =>
  choiceView(
    t("room_dialog.mentions"),
    "mentions",
    mentions,
    { operators: t("room_dialog.mentions.operators"), all: t("room_dialog.mentions.all") },
    (who) => void act.moderate({ t: "mentions", who }),
  );

/** What happens with a change of who may be in the room. @param {Room} room */
const visibilityNote = ({ isPrivate }) =>
  isPrivate ? "room_dialog.make_public.note" : "room_dialog.make_private.note";

/** @param {State} state @param {Room} room @param {Actions} act */
const visibilityButton = (state, { isPrivate }, act) =>
  html`<button
    type="button"
    class="secondary"
    @click=${() => moderate(state, { t: isPrivate ? "public" : "private", name: "" }, act)}
  >
    ${t(isPrivate ? "room_dialog.make_public" : "room_dialog.make_private")}
  </button>`;
