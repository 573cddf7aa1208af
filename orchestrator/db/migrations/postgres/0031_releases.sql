-- Programs for gateways, each with what was signed of it; in pieces by the place of their first octet.
CREATE TABLE releases (
    name TEXT PRIMARY KEY,
    product TEXT NOT NULL,
    version TEXT NOT NULL,
    platform TEXT NOT NULL,
    channel TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    signature TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    received BIGINT NOT NULL,
    complete BIGINT NOT NULL
);
CREATE TABLE release_data (
    release TEXT NOT NULL,
    place BIGINT NOT NULL,
    octets BYTEA NOT NULL,
    PRIMARY KEY (release, place)
);

-- Upgrades of all gateways of a tier. A writer who did not see the last revision writes nothing.
CREATE TABLE rollouts (
    id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    active BIGINT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX rollouts_by_network ON rollouts (network, created_at);
CREATE INDEX rollouts_by_activity ON rollouts (active);
