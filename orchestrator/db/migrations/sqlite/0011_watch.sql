-- What is new since a time, for those who watch.
CREATE INDEX phones_by_time ON phones (network, told_at);
CREATE INDEX gateway_states_by_time ON gateway_states (network, seen_at);
