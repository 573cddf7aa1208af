//! NAS of EPS (TS 24.301): octets to our own message values and back.
