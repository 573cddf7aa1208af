//! The tables of TS 24.301 clause 8 as a macro: a message's fields, their formats and identifiers, read once for the value
//! type, the decoder and the encoder.

/// Defines a message value. Formats of mandatory elements: `low` and `high` (halves of one octet, low first), `low_only` (the
/// high half is spare), `v` with a count of octets, `lv`, `lve`. Formats of optional elements: `tv1`, `tv` with a count of
/// octets after the identifier, `tlv`, `tlve`. `fixed` lists table elements without a field that have no length indicator.
macro_rules! message {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(mandatory {
                $($(#[$mmeta:meta])* $mfield:ident : $mtype:ty => $mfmt:ident $(($mlen:literal))?,)*
            })?
            $(optional {
                $($(#[$ometa:meta])* $ofield:ident : $otype:ty => $iei:literal $ofmt:ident $(($olen:literal))?,)*
            })?
            $(fixed { $($fiei:literal: $flen:literal),* $(,)? })?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($($(#[$mmeta])* pub $mfield: $mtype,)*)?
            $($($(#[$ometa])* pub $ofield: Option<$otype>,)*)?
            /// Elements beside the fields, kept for re-encoding and for those who know them.
            pub other_ies: crate::ie::OtherIes,
        }

        impl $name {
            /// The message with its mandatory elements, without optional ones.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "messages without mandatory elements derive nothing else")]
            pub fn new($($($mfield: $mtype),*)?) -> Self {
                Self {
                    $($($mfield,)*)?
                    $($($ofield: None,)*)?
                    other_ies: crate::ie::OtherIes::new(),
                }
            }
        }
    };
}
pub(crate) use message;
