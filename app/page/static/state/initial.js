// The state that the page begins with, and a room that it begins with.

import { EMPTY } from "./log.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */

export const SETTINGS = Object.freeze(
  /** @type {import("../types.d.ts").Settings} */ ({
    theme: "system",
    density: "comfortable",
    notifications: false,
    sound: false,
    asked: false,
  }),
);

/** Where people begin on an older server, which does not say where. */
export const LOBBY = "lobby";

/** The limits until the server tells its own. */
export const LIMITS = {
  frame: 65_536,
  message: 65_536,
  name: 32,
  topic: 300,
  rooms: 50,
  recipients: 20,
  rate: 10,
  burst: 20,
};

/** No position: of a log that was never followed, or of a line that stands nowhere. */
export const UNKNOWN = -1;

export const NO_WHISPERS = Object.freeze({ position: UNKNOWN, head: 0, delivered: 0 });

export const NO_SEARCH = Object.freeze({
  words: "",
  room: "",
  events: [],
  more: false,
  busy: false,
  problem: "",
  done: false,
});

/**
 * @param {Partial<State>} [kept] what is known from an earlier visit
 * @returns {State}
 */
export function initial(kept = {}) {
  return {
    screen: "name",
    entering: { busy: false, name: "", problem: "", code: "" },
    connection: { phase: "idle", why: "", until: 0, attempt: 0 },
    me: null,
    names: [],
    epoch: "",
    limits: LIMITS,
    rooms: {},
    current: "",
    home: LOBBY,
    target: null,
    whispers: NO_WHISPERS,
    lastWhisper: "",
    outbox: [],
    drafts: {},
    editing: null,
    active: "",
    commands: [],
    emoji: [],
    completion: null,
    directory: [],
    settings: SETTINGS,
    permission: "default",
    asking: false,
    watching: true,
    people: true,
    searching: false,
    drawer: false,
    search: NO_SEARCH,
    dialog: null,
    problem: "",
    toast: "",
    now: 0,
    ...kept,
  };
}

/**
 * @param {string} name
 * @param {Partial<Room>} [known]
 * @returns {Room}
 */
export function newRoom(name, known = {}) {
  return {
    name,
    conversation: isConversation(name),
    status: "joining",
    why: "",
    topic: "",
    closed: false,
    head: 0,
    position: UNKNOWN,
    delivered: 0,
    read: 0,
    marker: UNKNOWN,
    missed: null,
    members: 0,
    people: [],
    others: [],
    log: EMPTY,
    loading: "",
    following: true,
    behind: 0,
    typing: {},
    owner: "",
    operators: [],
    rank: "",
    slow: 0,
    ...known,
  };
}

/** @param {string} name */
export const isConversation = (name) => name.startsWith("@");

/** Whether somebody's own message or change it is. An older server tells no ids of authors: there the names that one
 * had decide, which may be somebody else's by now.
 * @param {State} state
 * @param {{ from: string, user?: number }} event
 */
export const isMine = ({ me, names }, { from, user }) =>
  user === undefined ? names.includes(from.toLowerCase()) : user === me?.id;
