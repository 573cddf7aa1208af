//! A whole network in one thread under a virtual clock, with faults and checkers.
