//! Checks of the pipeline against packets made octet by octet.

mod downlink;
mod entries;
mod framed;
mod nat;
mod rates;
mod segment;
mod support;
mod uplink;
mod version6;
