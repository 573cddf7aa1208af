//! EMM: who the UE is, whether it is trusted, where it is.
