// The shapes that the page works on: frames of `chat.v1.json` as docs/protocol.md has them, and the state made of them.

import type { TemplateResult } from "./vendor/lit-html.js";

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
    /** The id of the author, which an older server does not tell. */
    user?: number;
    text?: string;
    to?: string[];
    me?: boolean;
    edited?: boolean;
    deleted?: boolean;
    of?: number;
    whom?: string;
    until?: string;
    seconds?: number;
}

/** What a log shows: its events, and beside them what is for this page alone, put in where it came. */
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

/** A part of a room's log without holes: events before `first` and after `last` are on the server only. */
export interface Log {
    entries: readonly Entry[];
    first: number;
    last: number;
    /** Nothing comes before `first`. */
    oldest: boolean;
    /** Nothing comes after `last`, so what is said now belongs here. */
    live: boolean;
}

export interface Missed {
    after: number;
    upto: number;
}

export interface Room {
    name: string;
    /** A conversation of whispers, not a room. */
    conversation: boolean;
    status: "joining" | "joined" | "left";
    why: string;
    topic: string;
    /** Only who is invited gets in. */
    closed: boolean;
    /** The last position at the last `joined`: what is later is news. */
    head: number;
    /** The last position that was told of, from where to come back. */
    position: number;
    /** The last event that came by itself. */
    delivered: number;
    read: number;
    /** After which position what is new to the person begins; -1 for nowhere. */
    marker: number;
    missed: Missed | null;
    members: number;
    /** Who is there, or null where only their number is known. */
    people: readonly Person[] | null;
    /** Of a conversation: who is in it beside oneself. */
    others: readonly string[];
    log: Log;
    loading: "" | "before" | "after" | "newest" | "around";
    /** The end of the log is in view, so it may be followed. */
    following: boolean;
    /** How many messages came that the log does not hold. */
    behind: number;
    typing: Readonly<Record<string, number>>;
    owner: string;
    operators: readonly string[];
    rank: string;
    slow: number;
}

/** A message that the server has not told of yet. */
export interface Pending {
    cid: string;
    /** The room that it is shown in, and said in unless it has `to`. */
    room: string;
    text: string;
    at: number;
    me?: boolean;
    to?: string[];
    state: "queued" | "sent" | "stored" | "failed";
    why?: string;
    /** The position and id that the server gave it. */
    seq?: number;
    id?: string;
    /** An event that must be this one came, though no ack did. */
    seen?: boolean;
}

export interface Connection {
    phase: "idle" | "connecting" | "open" | "waiting" | "ended";
    why: string;
    /** When the next attempt is made, in milliseconds since 1970. */
    until: number;
    attempt: number;
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
    /** The person was asked whether to show notifications. */
    asked: boolean;
}

export interface Search {
    words: string;
    room: string;
    events: readonly LogEvent[];
    more: boolean;
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
    | { kind: "person"; name: string; id?: number }
    | { kind: "delete"; room: string; seq: number; text: string }
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
}

export interface State {
    screen: "name" | "chat";
    entering: { busy: boolean; name: string; problem: string; code: string };
    connection: Connection;
    me: { id: number; name: string; registered: boolean } | null;
    /** The names that this person had, in lower case: others may call them by one. */
    names: readonly string[];
    epoch: string;
    limits: Limits;
    rooms: Readonly<Record<string, Room>>;
    /** Nothing until it is known where to begin. */
    current: string;
    /** The room in which the server wants people to begin. */
    home: string;
    /** A message to bring into view, and to point out. */
    target: { room: string; seq: number } | null;
    /** Of all whispers: as in Room. */
    whispers: { position: number; head: number; delivered: number };
    /** The conversation of the last whisper. */
    lastWhisper: string;
    outbox: readonly Pending[];
    drafts: Readonly<Record<string, string>>;
    editing: { room: string; seq: number; text: string; original: string } | null;
    active: string;
    commands: readonly Usage[];
    emoji: readonly (readonly [string, string])[];
    completion: (Completion & { index: number }) | null;
    directory: readonly RoomEntry[];
    settings: Settings;
    permission: string;
    asking: boolean;
    watching: boolean;
    /** Whether the people of the room are shown, and whether it is searched. */
    people: boolean;
    searching: boolean;
    drawer: boolean;
    search: Search;
    dialog: Dialog | null;
    problem: string;
    toast: string;
    now: number;
}

export type Action = { type: string; [field: string]: any };

export interface Store {
    get(): State;
    dispatch(action: Action): void;
    subscribe(listener: (state: State, action: Action, before: State) => void): void;
}

export type View = TemplateResult | typeof import("./vendor/lit-html.js").nothing;
