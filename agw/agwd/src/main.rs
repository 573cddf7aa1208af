//! The gateway daemon: threads, sockets, clock, disk. Wiring only.
fn main() {}
