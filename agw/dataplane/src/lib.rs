//! Applies data-plane effects: BPF maps, the software plane, or memory; reads them back for repair.
