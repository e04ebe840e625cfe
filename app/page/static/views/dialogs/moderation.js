// What can be done with somebody and with a room: by everybody, and by who keeps order there.

import { html, nothing } from "../../vendor/lit-html.js";
import { listed } from "../hues.js";
import { isMine } from "../../state/initial.js";
import { dialogView, fields } from "./dialog.js";
import { avatar, nameOf } from "../names.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Room} Room */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

const SPANS = { "": "for good", 600: "10 minutes", 3600: "1 hour", 86400: "1 day", 604800: "1 week" };
const OWNERS = ["owner", "server operator"];

/** Who is here is shown by the name of now, whatever it was called in what was clicked.
 * @param {State} state
 * @param {Room} room
 * @param {Extract<State["dialog"], { kind: "person" }>} dialog
 * @param {Actions} act
 */
export function personView(state, room, { name: then, id }, act) {
  const person = room.people?.find((one) => (id ? one.id === id : one.name === then));
  const me = isMine(state, { from: then, user: id });
  const name = (me ? state.me?.name : person?.name) ?? then;
  const user = id ?? person?.id;
  const role = room.owner === name ? "Owns this room" : room.operators.includes(name) ? "Operator of this room" : "";
  const about = [role, person?.away === undefined ? "" : `Away${person.away ? `: ${person.away}` : ""}`].filter(
    Boolean,
  );
  return dialogView(
    state,
    act,
    html`${avatar(name, user)} ${nameOf(name, user)}`,
    html` ${about.length ? html`<p class="quiet" dir="auto">${about.join(". ")}</p>` : nothing}
    ${
      me
        ? oneself(person, act)
        : html`<div class="buttons">
            <button type="button" class="primary" @click=${() => act.whisper(name, user)}>Whisper</button>
            <button type="button" class="secondary" @click=${() => act.mention(name)}>Mention</button>
            <button type="button" class="secondary" @click=${() => void act.account({ t: "ignore", name })}>
              Ignore
            </button>
          </div>`
    }
    ${!me && room.rank && !room.conversation ? moderation(room, name, act) : nothing}`,
  );
}

/** @param {import("../../types.d.ts").Person | undefined} person @param {Actions} act */
const oneself = (person, act) =>
  html`<p class="quiet">That is you.</p>
    ${
      person?.away === undefined
        ? html`<form class="line" @submit=${fields(({ why }) => void act.account({ t: "away", why: why.trim() }))}>
            <label for="away">Say that you are away</label>
            <input id="away" name="why" maxlength="300" placeholder="Why, if you like" autocomplete="off" />
            <button class="secondary">Away</button>
          </form>`
        : html`<div class="buttons">
            <button type="button" class="primary" @click=${() => void act.account({ t: "back" })}>I am back</button>
          </div>`
    }`;

/** @param {Room} room @param {string} name @param {Actions} act */
function moderation({ rank, operators }, name, act) {
  const appoint = operators.includes(name) ? deed("deop", "Operator no longer") : deed("op", "Make operator");
  const use = fields(async ({ t, why, seconds }, form) => {
    const lasts = t === "ban" || t === "mute" ? { seconds: Number(seconds) } : {};
    if (await act.moderate({ t, name, why: why.trim(), ...lasts })) form.reset();
  });
  return html`<form class="moderation" @submit=${use}>
    <h3>Keep order</h3>
    <label for="why">Why</label>
    <input id="why" name="why" maxlength="300" placeholder="Everybody in the room sees it" autocomplete="off" />
    <label for="seconds">Ban or mute for</label>
    <select id="seconds" name="seconds">
      ${Object.entries(SPANS).map(([value, label]) => html`<option value=${value}>${label}</option>`)}
    </select>
    <div class="buttons">
      ${deed("kick", "Put out")} ${deed("mute", "Mute")} ${deed("unmute", "Unmute")} ${deed("ban", "Ban")}
      ${deed("unban", "Unban")}
    </div>
    ${OWNERS.includes(rank) ? html`<div class="buttons">${appoint}</div>` : nothing}
  </form>`;
}

/** @param {string} t @param {string} label */
const deed = (t, label) => html`<button name="t" value=${t} class="secondary">${label}</button>`;

/** @param {State} state @param {Room} room @param {Actions} act */
export function roomView(state, room, act) {
  const { name, rank, owner, operators, slow, closed, topic } = room;
  const speaks = rank !== "" || owner === "";
  return dialogView(
    state,
    act,
    html`<bdi>#${name}</bdi>`,
    html` <form class="line" @submit=${fields(({ text }) => void act.moderate({ t: "topic", text: text.trim() }))}>
        <label for="topic">Topic</label>
        <input
          id="topic"
          name="text"
          dir="auto"
          maxlength=${state.limits.topic || 1000}
          ?readonly=${!speaks}
          .value=${topic}
        />
        ${speaks ? html`<button class="secondary">Set</button>` : nothing}
      </form>
      <p class="quiet">
        ${owner ? `${owner} owns the room.` : "Nobody owns the room: the first registered person in it will."}
        ${operators.length ? `Operators: ${listed(operators)}.` : ""} ${closed ? "It is private." : ""}
        ${slow ? `Slow: one message in ${slow} s.` : ""}
      </p>
      ${rank ? keeping(room, act) : nothing}
      <div class="buttons">
        <button type="button" class="secondary" @click=${() => void act.copyLink(name)}>Copy link</button>
        <button type="button" class="secondary" @click=${() => void act.leave(name)}>Leave the room</button>
      </div>`,
  );
}

/** @param {Room} room @param {Actions} act */
const keeping = ({ slow, closed }, act) =>
  html` <form
      class="line"
      @submit=${fields(({ seconds }) => void act.moderate({ t: "slow", seconds: Number(seconds) }))}
    >
      <label for="slow">Seconds between two messages of somebody</label>
      <input id="slow" name="seconds" type="number" min="0" max="86400" required .value=${String(slow)} />
      <button class="secondary">Set</button>
    </form>
    <form
      class="line"
      @submit=${fields(async ({ t, name }, form) => {
        if (await act.moderate({ t, name: name.trim() })) form.reset();
      })}
    >
      <label for="somebody">Somebody who is not here</label>
      <input id="somebody" name="name" required placeholder="Name" autocomplete="off" />
      ${deed("invite", "Invite")}${deed("uninvite", "Uninvite")}${deed("unban", "Unban")}${deed("unmute", "Unmute")}
    </form>
    <p>
      <button type="button" class="secondary" @click=${() => void act.moderate({ t: closed ? "public" : "private" })}>
        ${closed ? "Open to everybody" : "Let only invited people in"}
      </button>
    </p>`;
