-- Where replicas of the orchestrator find each other, and when each was there last.
CREATE TABLE replica_links (
    address TEXT PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
