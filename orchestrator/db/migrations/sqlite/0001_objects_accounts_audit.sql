-- Objects as they are. `sealed` holds their secrets, openable only with the key outside the database.
CREATE TABLE objects (
    kind TEXT NOT NULL,
    network TEXT NOT NULL,
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    body TEXT NOT NULL,
    sealed TEXT,
    secrets_mark BIGINT NOT NULL,
    PRIMARY KEY (kind, network, name)
);
CREATE INDEX objects_by_change ON objects (kind, network, changed_at, name);

-- What each change left behind; a NULL body is a deletion. The state before is that of the version before.
CREATE TABLE versions (
    kind TEXT NOT NULL,
    network TEXT NOT NULL,
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    body TEXT,
    sealed TEXT,
    secrets_mark BIGINT NOT NULL,
    PRIMARY KEY (kind, network, name, revision)
);

-- Who speaks of whom, for refusing to delete what is in use.
CREATE TABLE links (
    network TEXT NOT NULL,
    from_kind TEXT NOT NULL,
    from_name TEXT NOT NULL,
    path TEXT NOT NULL,
    to_kind TEXT NOT NULL,
    to_network TEXT NOT NULL,
    to_name TEXT NOT NULL,
    PRIMARY KEY (network, from_kind, from_name, path)
);
CREATE INDEX links_by_target ON links (to_kind, to_network, to_name);

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    password TEXT NOT NULL,
    grants TEXT NOT NULL,
    failures BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Sessions and API keys: only digests of the tokens.
CREATE TABLE tokens (
    digest TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    title TEXT NOT NULL,
    grants TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tokens_by_owner ON tokens (owner, kind);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    network TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome BIGINT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);

-- Requests that may come again (Idempotency-Key).
CREATE TABLE replays (
    who TEXT NOT NULL,
    id TEXT NOT NULL,
    request TEXT NOT NULL,
    at BIGINT NOT NULL,
    response TEXT,
    PRIMARY KEY (who, id)
);
CREATE INDEX replays_by_time ON replays (at);

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
