-- What changed in a network, in order: gateways are told from it, by whichever replica they talk to.
CREATE TABLE feeds (
    network TEXT PRIMARY KEY,
    last BIGINT NOT NULL
);
CREATE TABLE changes (
    network TEXT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    what TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (network, number)
);
CREATE INDEX changes_by_time ON changes (at);

-- One-off tokens of gateways: only digests. A used one stays until it expires, so that its reuse is recognised.
CREATE TABLE gateway_tokens (
    digest TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    network TEXT NOT NULL,
    tier TEXT NOT NULL,
    gateway TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    used_by TEXT NOT NULL
);
CREATE INDEX gateway_tokens_by_network ON gateway_tokens (network, created_at);

-- Device keys of gateways that have joined.
CREATE TABLE devices (
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    public_key TEXT NOT NULL,
    enrolled_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (network, gateway)
);

CREATE TABLE certificates (
    fingerprint TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
CREATE INDEX certificates_by_gateway ON certificates (network, gateway, issued_at);

-- The last that is known of a gateway.
CREATE TABLE gateway_states (
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    replica TEXT NOT NULL,
    stream BIGINT NOT NULL,
    connected_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    metrics TEXT NOT NULL,
    sync TEXT NOT NULL,
    PRIMARY KEY (network, gateway)
);

-- Events of gateways and alarms about them. Epoch and number recognise one that comes again; those of the orchestrator itself
-- have an epoch of their own.
CREATE TABLE gateway_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    alarm BIGINT NOT NULL,
    imsi TEXT NOT NULL,
    words TEXT NOT NULL,
    facts TEXT NOT NULL,
    UNIQUE (network, gateway, epoch, number)
);
CREATE INDEX gateway_events_by_time ON gateway_events (at);
CREATE INDEX gateway_events_by_network ON gateway_events (network, id);

-- What sessions used: each record once, however often it came.
CREATE TABLE usage_records (
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    session TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    imsi TEXT NOT NULL,
    apn TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    uplink_bytes BIGINT NOT NULL,
    downlink_bytes BIGINT NOT NULL,
    uplink_packets BIGINT NOT NULL,
    downlink_packets BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (network, gateway, session, epoch, sequence)
);
CREATE INDEX usage_records_by_subscriber ON usage_records (network, imsi, ended_at);

-- How far the ledgers of gateways were received.
CREATE TABLE ledgers (
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    ledger BIGINT NOT NULL,
    through BIGINT NOT NULL,
    PRIMARY KEY (network, gateway, ledger)
);

CREATE TABLE commands (
    id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    kind TEXT NOT NULL,
    arguments TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    percent BIGINT NOT NULL,
    output TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX commands_by_gateway ON commands (network, gateway, created_at);
