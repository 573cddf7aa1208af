-- Hours of the fixed set of series, of gateways and (without one) of networks.
CREATE TABLE history (
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    hour BIGINT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (network, gateway, hour)
);
CREATE INDEX history_by_hour ON history (hour);

-- Alarms of rules. The number is that of the event that told of it; `cleared_at` is 0 while it holds.
CREATE TABLE alarms (
    id BIGINT PRIMARY KEY,
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    severity TEXT NOT NULL,
    since BIGINT NOT NULL,
    raised_at BIGINT NOT NULL,
    cleared_at BIGINT NOT NULL,
    words TEXT NOT NULL
);
CREATE INDEX alarms_by_network ON alarms (network, id);
CREATE INDEX alarms_by_end ON alarms (cleared_at);

-- What is new of gateways, whatever their network; where an event of a kind or a gateway is looked for.
CREATE INDEX gateway_states_by_seen ON gateway_states (seen_at, network, gateway);
CREATE INDEX gateway_events_by_gateway ON gateway_events (network, gateway, id);
CREATE INDEX gateway_events_by_kind ON gateway_events (network, kind, id);
CREATE INDEX gateway_events_by_network_and_time ON gateway_events (network, at);
