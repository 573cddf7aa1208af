-- Long work and how far it is.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    what TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    percent BIGINT NOT NULL,
    result TEXT NOT NULL
);
CREATE INDEX jobs_by_network ON jobs (network, created_at);
