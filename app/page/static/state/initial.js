// The initial state of the page, and of a room.

import { EMPTY } from "./log.js";
import { NOBODY } from "./people.js";
import { table } from "./table.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */

export const SETTINGS = Object.freeze(
  /** @type {import("../types.d.ts").Settings} */ ({
    theme: "system",
    density: "comfortable",
    notifications: false,
    sound: false,
    asked: false,
    bareNames: false,
  }),
);

/** The room to begin in on an older server, which does not name one. */
export const LOBBY = "lobby";

/** The limits until the server sends its own. */
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

/** No position, as of a log that was never followed, or of a marker that is not set. */
export const UNKNOWN = -1;

export const NO_WHISPERS = Object.freeze({ position: UNKNOWN, head: 0, delivered: 0, read: 0 });

export const NO_MODERATION = Object.freeze({ bans: [], mutes: [], invitations: [] });

export const NO_RESULTS = { events: [], more: false, next: 0, partial: false, behind: 0, problem: "", done: false };

export const NO_SEARCH = Object.freeze({ ...NO_RESULTS, words: "", room: "", single: false, busy: false });

/**
 * @param {Partial<State>} [restored] from an earlier visit
 * @returns {State}
 */
export function initial(restored = {}) {
  return {
    screen: "name",
    entering: { busy: false, name: "", problem: "", asksPassword: false },
    connection: { phase: "idle", why: "", until: 0, attempt: 0 },
    me: null,
    names: [],
    epoch: "",
    limits: LIMITS,
    features: [],
    rooms: table(),
    current: "",
    home: LOBBY,
    target: null,
    whispers: NO_WHISPERS,
    lastWhisper: "",
    outbox: [],
    drafts: table(),
    editing: null,
    refusal: "",
    active: "",
    commands: [],
    emoji: [],
    expanded: new Map(),
    reading: null,
    completion: null,
    directory: [],
    manyRooms: false,
    sought: "",
    settings: SETTINGS,
    permission: "default",
    asksToNotify: false,
    watching: true,
    people: true,
    finding: NOBODY,
    searching: false,
    drawer: false,
    search: NO_SEARCH,
    dialog: null,
    problem: "",
    toast: "",
    now: 0,
    zone: "",
    ...restored,
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
    returning: false,
    why: "",
    topic: "",
    isPrivate: false,
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
    typing: table(),
    owner: "",
    operators: [],
    ownerUser: 0,
    operatorUsers: null,
    rank: "",
    slow: 0,
    mentions: "operators",
    moderation: null,
    ...known,
  };
}

/** The change of a message that goes on in the room in view. @param {State} state */
export const editingOf = ({ editing, current }) => (editing?.view === current ? editing : null);

/** What the field that people write in has to show. @param {State} state */
export const fieldText = (state) => editingOf(state)?.text ?? state.drafts[state.current] ?? "";

/** @param {string} name */
export const isConversation = (name) => name.startsWith("@");

/** Whether this person is the author of an event. An older server sends no ids of authors, so there the names that this
 * person had decide, although somebody else may have one of them by now.
 * @param {State} state
 * @param {{ from: string, user?: number }} event
 */
export const isMine = ({ me, names }, { from, user }) =>
  user === undefined ? names.includes(from.toLowerCase()) : user === me?.id;
