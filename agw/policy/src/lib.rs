//! Rules and QoS of a session: decisions.
