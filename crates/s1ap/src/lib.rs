//! S1AP (TS 36.413): octets to our own message values and back.
