"""The tables of the embedded store, as the migrations that make them.

A released migration never changes. To change the schema, add a migration at the end, and a sample of the new version to
the tests (see `tests/backends/sample.py`). Keep `meta` as it is: an upgrade relies on it.
"""

from __future__ import annotations

APPLICATION_ID = 0x4E617474
"""Marks a SQLite file as a store of Natter: "Natt" in its header."""

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        secret BLOB NOT NULL UNIQUE
    );
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        room TEXT NOT NULL,
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        user INTEGER NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        cid TEXT NOT NULL
    );
    CREATE TABLE trims (room TEXT PRIMARY KEY, through INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX events_by_room ON events (room, seq);
    CREATE UNIQUE INDEX events_by_cid ON events (user, cid) WHERE cid != '';
    """,
    """
    ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT 'msg';
    ALTER TABLE events ADD COLUMN of INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE events ADD COLUMN detail TEXT NOT NULL DEFAULT '';
    CREATE INDEX events_by_of ON events (room, of) WHERE of > 0;
    CREATE TABLE state (room TEXT, key TEXT, seq INTEGER NOT NULL, PRIMARY KEY (room, key)) WITHOUT ROWID;
    CREATE TABLE mail (user INTEGER, seq INTEGER, PRIMARY KEY (user, seq)) WITHOUT ROWID;
    CREATE TABLE talks (user INTEGER, room TEXT, PRIMARY KEY (user, room)) WITHOUT ROWID;

    CREATE TABLE tokens (secret BLOB PRIMARY KEY, user INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO tokens SELECT secret, id FROM users;
    CREATE TABLE named (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        canonical TEXT NOT NULL UNIQUE,
        password TEXT NOT NULL DEFAULT '',
        seen INTEGER NOT NULL DEFAULT 0
    );
    INSERT INTO named (id, name, canonical) SELECT id, name, name FROM users;
    DELETE FROM sqlite_sequence WHERE name = 'named';
    INSERT INTO sqlite_sequence SELECT 'named', seq FROM sqlite_sequence WHERE name = 'users';
    DROP TABLE users;
    ALTER TABLE named RENAME TO users;
    CREATE TABLE marks (user INTEGER, room TEXT, seq INTEGER NOT NULL, PRIMARY KEY (user, room)) WITHOUT ROWID;
    CREATE TABLE ignores (user INTEGER, whom INTEGER, PRIMARY KEY (user, whom)) WITHOUT ROWID;

    CREATE VIRTUAL TABLE words USING fts5 (
        scope, text, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
    );
    INSERT INTO meta VALUES ('indexed', '0');
    """,
    """
    DROP TABLE words;
    DELETE FROM meta WHERE key = 'indexed';

    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters SELECT 'pos', coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events';
    INSERT INTO counters SELECT 'whisper', value FROM counters WHERE name = 'pos';
    INSERT INTO counters SELECT 'user', coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users';
    INSERT INTO counters VALUES ('applied', 0);

    ALTER TABLE events RENAME TO old_events;
    CREATE TABLE events (
        pos INTEGER PRIMARY KEY,
        room TEXT NOT NULL,
        seq INTEGER NOT NULL,
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        user INTEGER NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        cid TEXT NOT NULL,
        kind TEXT NOT NULL,
        of INTEGER NOT NULL,
        detail TEXT NOT NULL
    );
    INSERT INTO events SELECT seq, room, seq, id, at, user, name, text, cid, kind, of, detail FROM old_events;
    DROP TABLE old_events;
    CREATE UNIQUE INDEX events_by_room ON events (room, seq);
    CREATE UNIQUE INDEX events_by_cid ON events (user, cid) WHERE cid != '';
    CREATE INDEX events_by_of ON events (room, of) WHERE of > 0;

    ALTER TABLE mail RENAME TO old_mail;
    CREATE TABLE mail (user INTEGER, seq INTEGER, pos INTEGER NOT NULL, PRIMARY KEY (user, seq)) WITHOUT ROWID;
    INSERT INTO mail SELECT user, seq, seq FROM old_mail;
    DROP TABLE old_mail;

    ALTER TABLE users RENAME TO old_users;
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        canonical TEXT NOT NULL UNIQUE,
        password TEXT NOT NULL DEFAULT '',
        seen INTEGER NOT NULL DEFAULT 0
    );
    INSERT INTO users SELECT * FROM old_users;
    DROP TABLE old_users;

    CREATE TABLE forgotten (
        id INTEGER PRIMARY KEY AUTOINCREMENT, pos INTEGER NOT NULL, room TEXT NOT NULL, text TEXT NOT NULL
    );
    """,
    """
    ALTER TABLE tokens ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tokens ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tokens ADD COLUMN known INTEGER NOT NULL DEFAULT 0;
    UPDATE tokens SET first = 1, last = 1 WHERE user IN (SELECT id FROM users WHERE password != '');
    CREATE INDEX sign_ins ON tokens (user) WHERE first > 0;
    CREATE INDEX ended_sign_ins ON tokens (last) WHERE user = 0;

    ALTER TABLE users ADD COLUMN skeleton TEXT NOT NULL DEFAULT '';
    CREATE INDEX users_by_skeleton ON users (skeleton) WHERE password != '' AND skeleton != '';
    CREATE INDEX users_without_skeleton ON users (canonical) WHERE password != '' AND skeleton = '';
    CREATE TABLE given_up (
        canonical TEXT PRIMARY KEY, skeleton TEXT NOT NULL, user INTEGER NOT NULL, at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX given_up_by_skeleton ON given_up (skeleton) WHERE skeleton != '';
    CREATE INDEX given_up_by_user ON given_up (user);
    CREATE INDEX owners ON events (json_extract(detail, '$.whom.id')) WHERE kind = 'owner';
    CREATE TABLE operators (canonical TEXT PRIMARY KEY, user INTEGER NOT NULL) WITHOUT ROWID;

    UPDATE events SET text = '' WHERE of > 0 AND kind = 'edit' AND text != '' AND (
        EXISTS (
            SELECT 1 FROM events AS later WHERE later.room = events.room AND later.of = events.of
            AND later.of > 0 AND later.kind = 'edit' AND later.seq > events.seq
        )
        OR NOT EXISTS (SELECT 1 FROM events AS said WHERE said.room = events.room AND said.seq = events.of)
    );
    INSERT OR IGNORE INTO meta SELECT 'purge', '' WHERE changes() > 0;

    ALTER TABLE users ADD COLUMN in_log INTEGER NOT NULL DEFAULT 0;
    UPDATE users SET in_log = 1 WHERE id IN (
        SELECT user FROM events UNION SELECT user FROM talks
        UNION SELECT CAST(substr(key, instr(key, ':') + 1) AS INTEGER) FROM state
    );
    """,
)
"""SQL by version: `PRAGMA user_version` is the number of migrations that a store has had."""
