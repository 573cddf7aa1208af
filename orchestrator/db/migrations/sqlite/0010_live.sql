-- Phones as gateways told them last. A gateway that connects tells all of its phones anew.
CREATE TABLE phones (
    network TEXT NOT NULL,
    gateway TEXT NOT NULL,
    imsi TEXT NOT NULL,
    state TEXT NOT NULL,
    enb TEXT NOT NULL,
    -- Names and addresses, each with a space before and after it.
    apns TEXT NOT NULL,
    addresses TEXT NOT NULL,
    facts TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (network, gateway, imsi)
);
CREATE INDEX phones_by_imsi ON phones (network, imsi, gateway);

CREATE INDEX usage_records_by_end ON usage_records (network, ended_at);
CREATE INDEX gateway_events_by_imsi ON gateway_events (network, imsi, id);
CREATE INDEX changes_by_network_and_time ON changes (network, at);
