// One person: what everybody can do, and what operators can do.

import { duration } from "../../i18n/format.js";
import { t } from "../../i18n/messages.js";
import { isMine } from "../../state/initial.js";
import { roleOf } from "../../state/people.js";
import { html, nothing } from "../../vendor/lit-html.js";
import { avatar, nameView } from "../names.js";
import { dialogView, fields } from "./dialog.js";
import { isInForce, moderate, submitButton } from "./moderate.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Room} Room */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/** How long a ban or a mute may last, in seconds; 0 is forever. */
const DURATIONS = [0, 600, 3600, 86_400, 604_800];
const OWNERS = ["owner", "server operator"];

/** Shows people who are online under their current name, whatever they were called where somebody clicked.
 * @param {State} state
 * @param {Room} room
 * @param {Extract<State["dialog"], { kind: "person" }>} dialog
 * @param {Actions} act
 */
export function personView(state, room, dialog, act) {
  const { name: clicked, id } = dialog;
  const person = room.people?.find((one) => (id ? one.id === id : one.name === clicked));
  const mine = isMine(state, { from: clicked, user: id });
  const name = (mine ? state.me?.name : person?.name) ?? clicked;
  const user = id ?? person?.id;
  const present = person !== undefined || room.people === null;
  const about = [roleText(roleOf(room, { name, id: user })), person?.away === undefined ? "" : t("profile.away", { why: person.away })];
  return dialogView(
    state,
    act,
    html`${avatar(name, user)} ${nameView(name, user)}`,
    html` ${about.some(Boolean) ? html`<p class="quiet" dir="auto">${about.filter(Boolean).join(" · ")}</p>` : nothing}
    ${mine ? ownView(person, act) : othersView(name, user, act)}
    ${!mine && room.rank && !room.conversation ? moderationView(state, room, { ...dialog, name, user, present }, act) : nothing}`,
  );
}

/** @param {ReturnType<typeof roleOf>} role */
const roleText = (role) => role && t(role === "owner" ? "profile.owner" : "profile.operator");

/** @param {string} name @param {number | undefined} user @param {Actions} act */
const othersView = (name, user, act) =>
  html`<div class="buttons">
    <button type="button" class="primary" @click=${() => act.whisper(name, user)}>${t("profile.whisper")}</button>
    <button type="button" class="secondary" @click=${() => act.mention(name)}>${t("profile.mention")}</button>
    <button type="button" class="secondary" @click=${() => void act.account({ t: "ignore", name })}>
      ${t("profile.ignore")}
    </button>
  </div>`;

/** @param {import("../../types.d.ts").Person | undefined} person @param {Actions} act */
const ownView = (person, act) =>
  html`<p class="quiet">${t("profile.self")}</p>
    ${
      person?.away === undefined
        ? html`<form class="line" @submit=${fields(({ why }) => void act.account({ t: "away", why: why.trim() }))}>
            <label for="away">${t("profile.away.label")}</label>
            <input
              id="away"
              name="why"
              maxlength="300"
              placeholder=${t("profile.away.placeholder")}
              autocomplete="off"
            />
            <button class="secondary">${t("profile.away.set")}</button>
          </form>`
        : html`<div class="buttons">
            <button type="button" class="primary" @click=${() => void act.account({ t: "back" })}>
              ${t("profile.away.back")}
            </button>
          </div>`
    }`;

/** What an operator may do: whatever is in force can be taken back, and nothing is done twice.
 * @param {State} state
 * @param {Room} room
 * @param {{ name: string, user?: number, present: boolean, why?: string, seconds?: number }} whom
 * @param {Actions} act
 */
function moderationView(state, room, { name, user, present, why = "", seconds = 0 }, act) {
  const { rank, moderation } = room;
  const banned = isInForce(moderation?.bans, user, state.now);
  const muted = isInForce(moderation?.mutes, user, state.now);
  const use = fields(({ t: type, why, seconds }) => {
    const lasts = type === "ban" || type === "mute" ? { seconds: Number(seconds) } : {};
    moderate(state, { t: type, name, user, why: why.trim(), ...lasts }, act);
  });
  const appoint = roleOf(room, { name, id: user }) === "operator"
    ? submitButton("deop", t("moderation.remove_operator"))
    : submitButton("op", t("moderation.make_operator"));
  return html`<form class="moderation" @submit=${use}>
    <h3>${t("moderation.title")}</h3>
    <label for="why">${t("moderation.reason")}</label>
    <input
      id="why"
      name="why"
      maxlength="300"
      placeholder=${t("moderation.reason.placeholder")}
      autocomplete="off"
      value=${why}
    />
    <label for="seconds">${t("moderation.duration")}</label>
    <select id="seconds" name="seconds">
      ${DURATIONS.map(
        (lasts) =>
          html`<option value=${lasts} ?selected=${lasts === seconds}>
            ${lasts ? duration(lasts) : t("moderation.forever")}
          </option>`,
      )}
    </select>
    <div class="buttons">
      ${present ? submitButton("kick", t("moderation.kick")) : nothing}
      ${muted ? submitButton("unmute", t("moderation.unmute")) : submitButton("mute", t("moderation.mute"))}
      ${banned ? submitButton("unban", t("moderation.unban")) : submitButton("ban", t("moderation.ban"))}
    </div>
    ${OWNERS.includes(rank) ? html`<div class="buttons">${appoint}</div>` : nothing}
  </form>`;
}
