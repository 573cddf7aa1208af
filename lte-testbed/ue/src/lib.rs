//! A phone: the other side of EMM and ESM, written from the specifications.
