//! PDN connections as Session values; bearers, address pools, the ESM desk.
