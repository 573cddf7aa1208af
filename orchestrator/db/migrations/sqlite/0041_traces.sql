-- Call traces: whom they are about, and the commands that gather them. What was recorded is the data of those commands.
CREATE TABLE traces (
    id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    ends_at BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX traces_by_network ON traces (network, created_at);
