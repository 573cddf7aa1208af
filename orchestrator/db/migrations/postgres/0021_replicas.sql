-- Where gateways find the replicas of the orchestrator, and when each was there last. One address may be several, with commas.
CREATE TABLE replicas (
    address TEXT COLLATE "C" PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
