//! What this program is. It stands in the program's file as a stamp, where it is read by whoever offers the file as a release.

use basalt_release::{STAMP, Stamp, stamp};
use std::hint::black_box;

/// The program's name in releases.
pub const PRODUCT: &str = "agwd";
const UNKNOWN: Stamp<'static> = Stamp { product: PRODUCT, version: env!("CARGO_PKG_VERSION"), platform: "unknown" };

static OWN: [u8; STAMP] = stamp(PRODUCT, env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);

/// What the stamp in this program's file says.
pub fn own() -> Stamp<'static> {
    // Read from the file's octets, not from what the compiler knew of them.
    Stamp::find(black_box(&OWN)).unwrap_or(UNKNOWN)
}

/// The version.
pub fn version() -> &'static str {
    own().version
}
