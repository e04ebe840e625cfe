// One row of a room: a message, an event, or a line between two of them.

import { format } from "../../browser/address.js";
import { eventText } from "../../i18n/events.js";
import { dayName, fullTime, time } from "../../i18n/format.js";
import { listed, t } from "../../i18n/messages.js";
import { isMine } from "../../state/initial.js";
import { positionOf } from "../../state/log.js";
import { classMap, html, nothing } from "../../vendor/lit-html.js";
import { icon, iconButton } from "../icons.js";
import { avatar, nameButton, nameView } from "../names.js";
import { textView } from "../text.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Room} Room */
/** @typedef {import("../../types.d.ts").Entry} Entry */
/** @typedef {import("./rows.js").Row} Row */
/** @typedef {import("../../actions/actions.js").Actions} Actions */

/** A text with more characters or lines is long. */
const LONG = 3_000;
const MOST_LINES = 40;

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
      return dividerView(t("log.new"));
    case "missed":
      return dividerView(t("log.missed", { count: row.count }));
    case "event":
      return eventView(state, room, row.entry);
    case "note":
      return html`<li class="note ${row.entry.aside ?? ""}"><span dir="auto">${row.entry.text}</span></li>`;
    case "pending":
      return pendingView(state, row, act);
    default:
      return messageView(state, room, row, act);
  }
}

/** @param {string} text */
const dividerView = (text) => html`<li class="divider"><span>${text}</span></li>`;

/** @param {State} state @param {Room} room @param {Entry} entry */
function eventView(state, room, entry) {
  const idOf = (/** @type {string} */ name) =>
    name === entry.from ? entry.user : room.people?.find((person) => person.name === name)?.id;
  const text = eventText(entry, (name) => nameView(name, idOf(name)), quoteView, {
    mine: isMine(state, entry),
    roomView: roomLink,
  });
  return html`<li class="event" data-seq=${entry.seq}>${text} ${timeView(entry.ts)}</li>`;
}

/** What somebody wrote, kept apart from the direction of the text around it. @param {string} text */
const quoteView = (text) => html`<bdi>${text}</bdi>`;

/** @param {string} room */
const roomLink = (room) => html`<a href=${format(room)}>#${room}</a>`;

/** @param {string} ts */
const timeView = (ts) => html`<time datetime=${ts} title=${fullTime(ts)}>${time(ts)}</time>`;

/** A message that has a new text is shown with that, also before the server has it.
 * @param {State} state
 * @param {Room} room
 * @param {Extract<Row, { entry: Entry }>} row
 * @param {Actions} act
 */
function messageView(state, room, { entry, first, amendment }, act) {
  const { id, from, user, ts, aside, to } = entry;
  const waits = amendment && amendment.state !== "failed";
  const shown = waits && !entry.deleted ? { ...entry, text: amendment.text, edited: true } : entry;
  const mine = isMine(state, entry);
  const active = state.active === id;
  const hasHead = first && !entry.me;
  const isTarget = state.target?.room === room.name && state.target.seq === entry.seq && !aside;
  const classes = {
    message: true,
    first: first || Boolean(entry.me),
    mine,
    whisper: aside === "whisper",
    "mentions-me": !mine && !entry.deleted && Boolean(state.reading?.isForMe(state, entry)),
    target: isTarget,
    editing: state.editing?.room === entry.room && state.editing.seq === positionOf(entry),
    pending: Boolean(waits),
  };
  return html`<li
    class=${classMap(classes)}
    id="m-${id}"
    data-seq=${positionOf(entry)}
    data-state=${mine ? (amendment ? stateOf(amendment) : "sent") : nothing}
    tabindex="-1"
    data-id=${id}
  >
    ${hasHead ? avatar(from, user) : html`<span class="gutter">${timeView(ts)}</span>`}
    <div class="body">
      ${hasHead ? headView(nameButton(from, user, act), aside === "whisper" ? to : undefined, ts) : nothing}
      ${saidView(state, id, shown.text, isTarget, contentView(state, shown, act), act)}
      ${amendment ? amendmentView(state, amendment, act) : nothing}
    </div>
    ${active && !entry.deleted ? toolsView(room, entry, mine, act) : nothing}
  </li>`;
}

/**
 * @param {unknown} name
 * @param {string[] | undefined} to the recipients of a whisper that is shown in a room
 * @param {string} ts
 */
const headView = (name, to, ts) =>
  html`<div class="head">
    ${name}${
      to ? html`<span class="tag">${icon("lock")}${t("message.whispered", { names: listed(to) })}</span>` : nothing
    }${timeView(ts)}
  </div>`;

/** What somebody said. Of a long text only the beginning is shown, unless somebody wants all of it or looks for it.
 * @param {State} state
 * @param {string} id
 * @param {string | undefined} text
 * @param {boolean} wanted
 * @param {unknown} content
 * @param {Actions} act
 */
function saidView({ expanded }, id, text = "", wanted, content, act) {
  if (text.length <= LONG && text.split("\n").length <= MOST_LINES) return html`<div class="said">${content}</div>`;
  const whole = expanded.get(id) ?? wanted;
  const toggle = (/** @type {any} */ { currentTarget }) => act.expand(id, !whole, currentTarget);
  const focused = (/** @type {any} */ { target }) => !whole && target.matches(":focus-visible") && act.expand(id, true);
  return html`<div class=${whole ? "said" : "said clipped"} @focusin=${focused}>${content}</div>
    <button type="button" class="link" aria-expanded=${whole ? "true" : "false"} @click=${toggle}>
      ${t(whole ? "message.less" : "message.more")}
    </button>`;
}

/** What somebody does, as in "/me waves".
 * @param {unknown} name
 * @param {unknown} text
 */
const emoteView = (name, text) => html`<span class="emote">${name} ${text}</span>`;

/** @param {State} state @param {Entry} entry @param {Actions} act */
function contentView(state, entry, act) {
  const { deleted, me, from, user, text = "", edited } = entry;
  if (deleted) return html`<em class="deleted">${t("message.deleted")}</em>`;
  const shown = textView(text, state, entry);
  const content = me ? emoteView(nameButton(from, user, act), shown) : shown;
  return html`${content}${edited ? html` <span class="edited">${t("message.edited")}</span>` : nothing}`;
}

/** @param {Room} room @param {Entry} entry @param {boolean} mine @param {Actions} act */
function toolsView(room, entry, mine, act) {
  const moderates = room.rank !== "" && !entry.aside;
  const { from, user } = entry;
  const name = room.people?.find(({ id }) => id === user)?.name ?? from;
  const whisper = () => act.whisper(name, user);
  const moderate = () => act.dialog({ kind: "person", name: from, id: user });
  return html`<div class="tools" role="toolbar" aria-label=${t("message.tools", { name: from })}>
    ${mine || isOnlyOther(room) ? nothing : iconButton("envelope", t("message.whisper", { name: from }), whisper)}
    ${mine ? iconButton("edit", t("message.edit"), () => act.edit(entry)) : nothing}
    ${iconButton("link", t("message.copy_link"), () => void act.copyLink(entry.room, positionOf(entry)))}
    ${mine || moderates ? iconButton("trash", t("message.delete"), () => act.askToDelete(entry)) : nothing}
    ${moderates && !mine ? iconButton("more", t("message.moderate", { name: from }), moderate) : nothing}
  </div>`;
}

/** Whether what is said in the room goes to one other person anyway. @param {Room} room */
const isOnlyOther = ({ conversation, others }) => conversation && others.length < 2;

/** @param {State} state @param {Extract<Row, { kind: "pending" }>} row @param {Actions} act */
function pendingView(state, { pending, first }, act) {
  const { name, id } = state.me ?? { name: "", id: 0 };
  const { state: is, to, at } = pending;
  const failed = is === "failed";
  const hasHead = first && !pending.me;
  const text = textView(pending.text, state, { room: pending.room });
  const ts = new Date(at).toISOString();
  return html`<li
    class=${classMap({ message: true, first, mine: true, pending: !failed, failed, whisper: Boolean(to) })}
    data-state=${stateOf(pending)}
    data-seq="0"
  >
    ${hasHead ? avatar(name, id) : html`<span class="gutter"></span>`}
    <div class="body">
      ${hasHead ? headView(nameView(name, id), to, ts) : nothing}
      ${saidView(state, pending.cid, pending.text, false, pending.me ? emoteView(nameView(name, id), text) : text, act)}
      ${whyView(pending, act)}
    </div>
  </li>`;
}

/** @param {import("../../types.d.ts").Pending} pending */
const stateOf = ({ state }) => (state === "failed" ? state : "pending");

/** The new text of a message, if it was refused, and why.
 * @param {State} state
 * @param {import("../../types.d.ts").Pending} pending
 * @param {Actions} act
 */
const amendmentView = (state, pending, act) =>
  html`<div class=${stateOf(pending)}>
    ${pending.state === "failed" ? html`<div class="said">${textView(pending.text, state, pending)}</div>` : nothing}
    ${whyView(pending, act)}
  </div>`;

/** Why a message is not sent yet, or was not sent, and what to do then.
 * @param {import("../../types.d.ts").Pending} pending
 * @param {Actions} act
 */
function whyView(pending, act) {
  const { cid, state: is, why = "" } = pending;
  if (is !== "failed") return why ? html`<p class="why"><span dir="auto">${why}</span></p>` : nothing;
  return html`<p class="why"><strong>${t("message.not_sent")}</strong> <span dir="auto">${why}</span></p>
    <p class="why">
      <button type="button" class="link" @click=${() => act.again(cid)}>${t("message.retry")}</button>
      <button type="button" class="link" @click=${() => act.takeBack(pending)}>${t("message.edit")}</button>
      <button type="button" class="link" @click=${() => act.discard(cid)}>${t("message.discard")}</button>
    </p>`;
}
