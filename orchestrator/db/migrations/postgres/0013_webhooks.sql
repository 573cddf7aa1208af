-- What is sent to whom, each event once for each webhook.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    webhook TEXT NOT NULL,
    event TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    trouble TEXT NOT NULL,
    UNIQUE (network, webhook, event)
);
CREATE INDEX deliveries_by_due ON deliveries (state, due_at);
CREATE INDEX deliveries_by_webhook ON deliveries (network, webhook, created_at);

-- Events of a network were looked at from one number on, up to another.
CREATE TABLE webhook_marks (
    network TEXT PRIMARY KEY,
    begun BIGINT NOT NULL,
    event BIGINT NOT NULL
);
