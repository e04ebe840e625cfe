// One row of a room: a message, something that somebody changed, a line between two of them.

import { classMap, html, nothing } from "../../vendor/lit-html.js";
import { wordsOf } from "../../i18n/events.js";
import { positionOf } from "../../state/log.js";
import { mentions } from "../../text/markup.js";
import { listed } from "../hues.js";
import { isMine } from "../../state/initial.js";
import { dayName, full, time } from "../../i18n/time.js";
import { icon } from "../icons.js";
import { avatar, nameButton, nameOf } from "../names.js";
import { textOf } from "../text.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Room} Room */
/** @typedef {import("../../types.d.ts").Entry} Entry */
/** @typedef {import("./rows.js").Row} Row */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/**
 * @param {State} state
 * @param {Room} room
 * @param {Row} row
 * @param {Actions} act
 */
export function rowView(state, room, row, act) {
  switch (row.kind) {
    case "day":
      return html`<li class="day"><span>${dayName(row.ts, Date.now())}</span></li>`;
    case "new":
      return html`<li class="divider"><span>New</span></li>`;
    case "missed":
      return html`<li class="divider">
        <span>Missed ${row.count} ${row.count === 1 ? "message" : "messages"}</span>
      </li>`;
    case "event":
      return eventView(room, row.entry);
    case "note":
      return html`<li class="note ${row.entry.aside ?? ""}"><span dir="auto">${row.entry.text}</span></li>`;
    case "pending":
      return pendingView(state, row, act);
    default:
      return messageView(state, room, row.entry, row.first, act);
  }
}

/** @param {Room} room @param {Entry} entry */
function eventView(room, entry) {
  const { who, what } = wordsOf(entry);
  const user = who === entry.from ? entry.user : room.people?.find(({ name }) => name === who)?.id;
  return html`<li class="event" data-seq=${entry.seq}>
    ${nameOf(who, user)} <span dir="auto">${what}</span> ${timeView(entry.ts)}
  </li>`;
}

/** @param {string} ts */
const timeView = (ts) => html`<time datetime=${ts} title=${full(ts)}>${time(ts)}</time>`;

/** @param {State} state @param {Room} room @param {Entry} entry @param {boolean} first @param {Actions} act */
function messageView(state, room, entry, first, act) {
  const { id, from, user, ts, aside, to } = entry;
  const mine = isMine(state, entry);
  const active = state.active === id;
  const classes = {
    message: true,
    first: first || Boolean(entry.me),
    mine,
    whisper: aside === "whisper",
    forme: !mine && !entry.deleted && mentions(entry.text ?? "", state.names),
    target: state.target?.room === room.name && state.target.seq === entry.seq && !aside,
    editing: state.editing?.room === entry.room && state.editing.seq === positionOf(entry),
  };
  return html`<li
    class=${classMap(classes)}
    id="m-${id}"
    data-seq=${positionOf(entry)}
    data-state=${mine ? "sent" : nothing}
    tabindex="-1"
    data-id=${id}
  >
    ${first && !entry.me ? avatar(from, user) : html`<span class="gutter">${timeView(ts)}</span>`}
    <div class="body">
      ${first && !entry.me ? headView(nameButton(from, user, act), aside === "whisper" ? to : undefined, ts) : nothing}
      <div class="said">${contentOf(state, entry, act)}</div>
    </div>
    ${active && !entry.deleted ? toolbar(room, entry, mine, act) : nothing}
  </li>`;
}

/**
 * @param {unknown} name
 * @param {string[] | undefined} to for whom it is, where not all can read it
 * @param {string} ts
 */
const headView = (name, to, ts) =>
  html`<div class="head">
    ${name}${to ? html`<span class="tag">${icon("lock")}whispered to ${listed(to)}</span>` : nothing}${timeView(ts)}
  </div>`;

/** @param {unknown} name @param {string} text @param {readonly string[]} names */
const doing = (name, text, names) => html`<span class="does">${name} ${textOf(text, names)}</span>`;

/** @param {State} state @param {Entry} entry @param {Actions} act */
function contentOf(state, { deleted, me, from, user, text = "", edited }, act) {
  if (deleted) return html`<em class="gone">This message was deleted.</em>`;
  const said = me ? doing(nameButton(from, user, act), text, state.names) : textOf(text, state.names);
  const after = edited ? html` <span class="edited">edited</span>` : nothing;
  return html`${said}${after}`;
}

/** @param {Room} room @param {Entry} entry @param {boolean} mine @param {Actions} act */
function toolbar(room, entry, mine, act) {
  const operates = room.rank !== "" && !entry.aside;
  const { from, user } = entry;
  const moderate = () => act.dialog({ kind: "person", name: from, id: user });
  return html`<div class="tools" role="toolbar" aria-label="Message by ${from}">
    ${mine ? nothing : tool("reply", "Reply by whisper", () => act.whisper(from, user))}
    ${mine ? tool("edit", "Edit", () => act.edit(entry)) : nothing}
    ${tool("link", "Copy link", () => void act.copyLink(entry.room, positionOf(entry)))}
    ${mine || operates ? tool("trash", "Delete", () => act.askToDelete(entry)) : nothing}
    ${operates && !mine ? tool("more", `Moderate ${from}`, moderate) : nothing}
  </div>`;
}

/** @param {Parameters<typeof icon>[0]} sign @param {string} label @param {() => void} click */
const tool = (sign, label, click) =>
  html`<button type="button" class="tool" aria-label=${label} title=${label} @click=${click}>${icon(sign)}</button>`;

/** @param {boolean} failed @param {string} why */
const whyView = (failed, why) =>
  html`<p class="why">${failed ? html`<strong>Not sent.</strong>` : nothing} <span dir="auto">${why}</span></p>`;

/** @param {State} state @param {Extract<Row, { kind: "pending" }>} row @param {Actions} act */
function pendingView(state, { pending, first }, act) {
  const { name, id } = state.me ?? { name: "", id: 0 };
  const { state: is, why = "", cid, to, at } = pending;
  const failed = is === "failed";
  const ts = new Date(at).toISOString();
  return html`<li
    class=${classMap({ message: true, first, mine: true, pending: !failed, failed, whisper: Boolean(to) })}
    data-state=${failed ? "failed" : "pending"}
    data-seq="0"
  >
    ${first && !pending.me ? avatar(name, id) : html`<span class="gutter"></span>`}
    <div class="body">
      ${first && !pending.me ? headView(nameOf(name, id), to, ts) : nothing}
      <div class="said">${pending.me ? doing(nameOf(name, id), pending.text, []) : textOf(pending.text, [])}</div>
      ${why || failed ? whyView(failed, why) : nothing}
      ${
        failed
          ? html`<p class="why">
              <button type="button" class="link" @click=${() => act.again(cid)}>Try again</button>
              <button type="button" class="link" @click=${() => act.discard(cid)}>Discard</button>
            </p>`
          : nothing
      }
    </div>
  </li>`;
}
