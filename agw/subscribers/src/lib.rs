//! The local subscriber view: profiles, authentication vectors.
