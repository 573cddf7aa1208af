//! AKA, key hierarchies, NAS protection, sealing of keys at rest.
