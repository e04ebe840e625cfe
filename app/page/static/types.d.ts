// The types of the page: frames of `chat.v1.json`, which docs/protocol.md describes, and the state that they lead to.

import type { TemplateResult } from "./vendor/lit-html.js";

/** What is looked up by a word that people choose. Only state/table.js makes one: it has nothing under words such as
 * `constructor` that nobody put there, which any other object has. A copy by `...` is none. */
export declare class Table<T> {
    #made;
    readonly [word: string]: T;
}

export interface Person {
    id: number;
    name: string;
    away?: string;
}

export interface Limits {
    frame: number;
    message: number;
    name: number;
    topic: number;
    rooms: number;
    recipients: number;
    rate: number;
    burst: number;
}

/** Something in the log of a room. */
export interface LogEvent {
    t: string;
    room: string;
    seq: number;
    id: string;
    ts: string;
    from: string;
    /** The id of the author; an older server does not send it. */
    user?: number;
    text?: string;
    to?: string[];
    me?: boolean;
    edited?: boolean;
    deleted?: boolean;
    /** Whom the message notifies beside those it mentions by name: `everyone` in the room, or those who are `here`. */
    notify?: string;
    of?: number;
    whom?: string;
    /** The id of `whom`; an older server does not send it. */
    about?: number;
    until?: string;
    seconds?: number;
    /** What a deletion is about, if it is no message: a topic or a reason. */
    what?: string;
    /** It is for those who are here, and came when it was said. */
    heard?: boolean;
}

/** What a log shows: its events, and among them what only this person sees. */
export interface Entry extends LogEvent {
    aside?: "whisper" | "notice" | "problem";
}

/** Any frame from the server; which fields there are depends on `t`. */
export interface Frame {
    t: string;
    room?: any;
    [field: string]: any;
}

export interface Request {
    t: string;
    [field: string]: unknown;
}

/** A part of a room's log without holes. Events before `first` and after `last` are on the server only. */
export interface Log {
    entries: readonly Entry[];
    first: number;
    last: number;
    /** Nothing comes before `first`. */
    oldest: boolean;
    /** Nothing comes after `last`: new messages belong here. */
    live: boolean;
}

export interface Missed {
    after: number;
    upto: number;
}

/** Somebody who is banned, muted or invited. */
export interface Moderated {
    id: number;
    name: string;
    /** The name at the time, if it was another. */
    was?: string;
    by: string;
    why?: string;
    until?: string;
    ts: string;
    /** The position at which it is deleted, with its reason. Older servers don't tell. */
    seq?: number;
}

export interface Moderation {
    bans: readonly Moderated[];
    mutes: readonly Moderated[];
    invitations: readonly Moderated[];
}

/** What an operator is about to do to somebody. */
export interface Act {
    t: string;
    [field: string]: unknown;
    name: string;
    user?: number;
    why?: string;
    seconds?: number;
}

export interface Room {
    name: string;
    /** A conversation of whispers, not a room. */
    conversation: boolean;
    /** Where an address led to a room that this person was never in, it is `offered`: they decide whether to join. */
    status: "offered" | "joining" | "joined" | "left";
    /** This person was in the room on an earlier visit. */
    returning: boolean;
    /** Why this person is not in the room. */
    why: string;
    topic: string;
    /** People need an invitation to join. */
    isPrivate: boolean;
    /** The last position when the room was joined: what comes later is new. */
    head: number;
    /** The last position that arrived: a reconnect resumes after it. */
    position: number;
    /** The position of the last live event, as opposed to history. */
    delivered: number;
    read: number;
    /** The position after which messages are new to the person; UNKNOWN if none are. */
    marker: number;
    missed: Missed | null;
    members: number;
    /** Who is present; null if only their number is known. */
    people: readonly Person[] | null;
    /** The names of the others in a conversation. */
    others: readonly string[];
    log: Log;
    loading: "" | "before" | "after" | "newest" | "around";
    /** The end of the log is in view, and the list follows it. */
    following: boolean;
    /** How many new messages the window of the log does not hold. */
    behind: number;
    /** Who is typing, and until when that is shown. */
    typing: Table<number>;
    owner: string;
    operators: readonly string[];
    /** Their ids: rights belong to people, whatever they are called. An older server does not send them: 0 and null. */
    ownerUser: number;
    operatorUsers: readonly number[] | null;
    rank: string;
    slow: number;
    /** Who may notify everyone in the room: `all` or `operators`. */
    mentions: string;
    /** Who is banned, muted or invited; null until an operator looks. */
    moderation: Moderation | null;
}

/** A message, or its new text, that has not come back from the server yet. */
export interface Pending {
    cid: string;
    /** The room that it is shown in, and sent to unless it has `to`. */
    room: string;
    text: string;
    /** The position of the message that gets this text, and the epoch of that position. */
    of?: number;
    epoch?: string;
    at: number;
    me?: boolean;
    to?: string[];
    state: "queued" | "sent" | "stored" | "failed";
    why?: string;
    /** The position and id that the server gave it. */
    seq?: number;
    id?: string;
    /** Its event came, though its ack did not. */
    seen?: boolean;
}

export interface Connection {
    phase: "idle" | "connecting" | "open" | "waiting" | "ended";
    why: string;
    /** When the next attempt is due, in milliseconds since 1970. */
    until: number;
    attempt: number;
    /** Whether a proxy in front of the server asks to sign in, which a reload of the page shows. */
    signIn?: boolean;
}

export interface Usage {
    command: string;
    usage: string;
    help: string;
}

export interface Settings {
    theme: "system" | "light" | "dark";
    density: "comfortable" | "compact";
    notifications: boolean;
    sound: boolean;
    /** The page has asked whether to show notifications. */
    asked: boolean;
    /** The person's name without @ is a mention too. */
    bareNames: boolean;
}

export interface FoundEvent extends LogEvent {
    /** The start and end of each hit in the text, in code points; an older server sends none. */
    marks?: readonly (readonly [number, number])[];
}

export type Reading = typeof import("./text/reading.js");

export interface Search {
    words: string;
    /** The room to search; empty for all rooms and whispers. */
    room: string;
    events: readonly FoundEvent[];
    more: boolean;
    /** The position before which the next page is. */
    next?: number;
    /** The search was cut short. */
    partial?: boolean;
    /** How many recent messages were not searched yet. */
    behind?: number;
    /** The server is an older one, which searches one room. */
    single: boolean;
    busy: boolean;
    problem: string;
    done: boolean;
}

export interface RoomEntry {
    room: string;
    members: number;
    topic?: string;
}

export type Dialog =
    | { kind: "settings" }
    | { kind: "rooms" }
    | { kind: "room" }
    | { kind: "person"; name: string; id?: number; why?: string; seconds?: number }
    | { kind: "delete"; room: string; seq: number; text: string }
    | { kind: "login"; name: string; password: string }
    | { kind: "register"; password: string }
    | { kind: "password"; old: string; next: string }
    | { kind: "moderate"; act: Act; before: Dialog | null }
    | { kind: "help" };

export interface Completion {
    from: number;
    to: number;
    items: readonly Candidate[];
}

export interface Candidate {
    insert: string;
    label: string;
    hint: string;
    /** It is typed already, so that Enter means more than to accept it. */
    whole?: boolean;
}

/** The first screen. */
export interface Entering {
    busy: boolean;
    name: string;
    problem: string;
    /** A password may help: the name belongs to somebody registered. */
    asksPassword: boolean;
}

export interface State {
    screen: "name" | "chat";
    entering: Entering;
    connection: Connection;
    me: { id: number; name: string; registered: boolean } | null;
    /** All names that this person had, in lower case: others may mention any of them. */
    names: readonly string[];
    epoch: string;
    limits: Limits;
    /** What the server can do beyond the first version of the protocol. */
    features: readonly string[];
    rooms: Table<Room>;
    /** The room in view; empty until it is known where to begin. */
    current: string;
    /** The room that the server lets people begin in. */
    home: string;
    /** A message to scroll to and to highlight. */
    target: { room: string; seq: number } | null;
    /** Positions in the log of all whispers, as in Room. */
    whispers: { position: number; head: number; delivered: number; read: number };
    /** The conversation of the last whisper. */
    lastWhisper: string;
    outbox: readonly Pending[];
    drafts: Table<string>;
    /** The message that is being changed, and the room in view where that goes on. */
    editing: { room: string; seq: number; text: string; original: string; view: string } | null;
    /** Why what was entered is in the field again. */
    refusal: string;
    /** The id of the message that shows its tools. */
    active: string;
    commands: readonly Usage[];
    emoji: readonly (readonly [string, string])[];
    /** By their ids, long messages that are shown whole or not because somebody wanted that. */
    expanded: ReadonlyMap<string, boolean>;
    /** What texts mean, once that is loaded. */
    reading: Reading | null;
    completion: (Completion & { index: number }) | null;
    directory: readonly RoomEntry[];
    /** The server has more rooms than it listed: it is asked for those that are looked for. */
    manyRooms: boolean;
    /** The part of a name that rooms are looked for by. */
    sought: string;
    settings: Settings;
    permission: string;
    /** The page asks whether to show notifications. */
    asksToNotify: boolean;
    /** Somebody looks at the page. */
    watching: boolean;
    /** The people of the room are shown. */
    people: boolean;
    /** The people who are looked for; `people` is null if the server does not list them. */
    finding: { room: string; find: string; people: readonly Person[] | null; more: boolean };
    searching: boolean;
    /** The sidebar of a narrow window is open. */
    drawer: boolean;
    search: Search;
    dialog: Dialog | null;
    /** An error that the dialog shows. */
    problem: string;
    toast: string;
    now: number;
    /** The reader's time zone. */
    zone: string;
}

export type Action = { type: string; [field: string]: any };

export interface Store {
    get(): State;
    dispatch(action: Action): void;
    subscribe(listener: (state: State, action: Action, before: State) => void): void;
}

export type View = TemplateResult | typeof import("./vendor/lit-html.js").nothing;

type English = typeof import("./languages/en.json");
/** The name of a message: the catalogue of English has all of them. */
export type MessageKey = keyof English;
/** A text with the names of its values in braces, or one for each plural category of the value `count`. */
export type MessageForm = string | Readonly<Record<string, string>>;
/** One form, or several of which the first counts that has all its values. */
export type Message = MessageForm | MessageForm[];
export type Catalogue = Readonly<Record<MessageKey, Message>>;
export type Values = Readonly<Record<string, string | number | undefined>>;
