//! The two dialects. The statements are the same text; what differs is here: how a transaction begins, how writers of one network
//! wait for each other, how a field of a body is read.
#![allow(clippy::duplicate_mod, reason = "the statements are compiled once for each database, as sqlx's types want it")]

pub(crate) mod postgres;

pub(crate) mod sqlite;
