//! GPRS timers: one octet of unit and value (TS 24.008 §10.5.7.3, §10.5.7.4, §10.5.7.4a).

use serde::{Deserialize, Serialize};

macro_rules! gprs_timer {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(
            /// The octet: unit in bits 8 to 6, value in bits 5 to 1.
            pub u8,
        );
    };
}

gprs_timer! {
    /// GPRS timer (TS 24.008 §10.5.7.3): 2 s, 1 min or 6 min units, or deactivated. T3412, T3402, T3423.
    GprsTimer
}
gprs_timer! {
    /// GPRS timer 2 (TS 24.008 §10.5.7.4): units as GPRS timer. T3346, T3324, T3402 in rejects.
    GprsTimer2
}
gprs_timer! {
    /// GPRS timer 3 (TS 24.008 §10.5.7.4a): 2 s to 320 h units, or deactivated. T3412 extended.
    GprsTimer3
}
