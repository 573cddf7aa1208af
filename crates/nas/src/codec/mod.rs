//! How octets become message values and back.

pub(crate) mod table;
