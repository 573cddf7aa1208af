//! S1AP links and per-UE radio ids; radio events without the access in them.
