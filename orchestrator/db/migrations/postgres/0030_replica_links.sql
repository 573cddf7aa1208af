-- Where replicas of the orchestrator find each other, and when each was there last.
CREATE TABLE replica_links (
    address TEXT COLLATE "C" PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
