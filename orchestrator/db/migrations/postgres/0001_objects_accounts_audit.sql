-- Objects as they are. `sealed` holds their secrets, openable only with the key outside the database.
CREATE TABLE objects (
    kind TEXT COLLATE "C" NOT NULL,
    network TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
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
    kind TEXT COLLATE "C" NOT NULL,
    network TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    at BIGINT NOT NULL,
    who TEXT COLLATE "C" NOT NULL,
    body TEXT,
    sealed TEXT,
    secrets_mark BIGINT NOT NULL,
    PRIMARY KEY (kind, network, name, revision)
);

-- Who speaks of whom, for refusing to delete what is in use.
CREATE TABLE links (
    network TEXT COLLATE "C" NOT NULL,
    from_kind TEXT COLLATE "C" NOT NULL,
    from_name TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    to_kind TEXT COLLATE "C" NOT NULL,
    to_network TEXT COLLATE "C" NOT NULL,
    to_name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (network, from_kind, from_name, path)
);
CREATE INDEX links_by_target ON links (to_kind, to_network, to_name);

CREATE TABLE users (
    name TEXT COLLATE "C" PRIMARY KEY,
    password TEXT NOT NULL,
    grants TEXT NOT NULL,
    failures BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Sessions and API keys: only digests of the tokens.
CREATE TABLE tokens (
    digest TEXT COLLATE "C" PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    kind TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    title TEXT NOT NULL,
    grants TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tokens_by_owner ON tokens (owner, kind);

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    who TEXT COLLATE "C" NOT NULL,
    network TEXT COLLATE "C" NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome BIGINT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);

-- Requests that may come again (Idempotency-Key).
CREATE TABLE replays (
    who TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    request TEXT NOT NULL,
    at BIGINT NOT NULL,
    response TEXT,
    PRIMARY KEY (who, id)
);
CREATE INDEX replays_by_time ON replays (at);

CREATE TABLE settings (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);
