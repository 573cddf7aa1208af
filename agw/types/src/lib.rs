//! The vocabulary in which the rooms of the access gateway meet.
