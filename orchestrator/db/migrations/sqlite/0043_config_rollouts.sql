-- Staged changes of objects. A writer who did not see the last revision writes nothing.
CREATE TABLE config_rollouts (
    id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    active BIGINT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX config_rollouts_by_network ON config_rollouts (network, created_at);
CREATE INDEX config_rollouts_by_activity ON config_rollouts (active);
