//! An eNodeB: the other side of S1AP, written from the specifications.
