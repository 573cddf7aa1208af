//! Enumerations of the wire that keep the codes they do not name.

/// Defines an enumeration of a code with an `Other` variant, `from_code`, `code` and `Display` in words.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$vmeta:meta])* $variant:ident = $code:literal => $words:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $(
                #[doc = concat!($words, " (", stringify!($code), ").")]
                $(#[$vmeta])*
                $variant,
            )*
            /// A code that has no name here. Only for codes that none of the other variants has.
            Other(u8),
        }

        impl $name {
            /// The value of a code.
            #[must_use]
            pub const fn from_code(code: u8) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The code of the value.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($words),)*
                    Self::Other(code) => write!(f, "unknown value {code}"),
                }
            }
        }
    };
}
pub(crate) use open_enum;
