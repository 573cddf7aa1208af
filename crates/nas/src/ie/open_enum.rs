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

/// Codec of enumerations that are one octet.
macro_rules! octet_elements {
    ($($name:ident),* $(,)?) => {$(
        impl crate::codec::Element for $name {
            fn read(octets: &[u8]) -> Option<Self> {
                octets.first().map(|octet| Self::from_code(*octet))
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.push(self.code());
            }
        }
    )*};
}
pub(crate) use octet_elements;

/// Codec of enumerations that are some low bits of half an octet.
macro_rules! half_elements {
    ($($name:ident: $mask:literal),* $(,)?) => {$(
        impl crate::codec::HalfOctet for $name {
            fn from_half(bits: u8) -> Self {
                Self::from_code(bits & $mask)
            }

            fn half(&self) -> u8 {
                self.code() & $mask
            }
        }
    )*};
}
pub(crate) use half_elements;

/// Codec of flags that are bit 1 of half an octet.
macro_rules! half_flags {
    ($($name:ident $field:tt),* $(,)?) => {$(
        impl crate::codec::HalfOctet for $name {
            fn from_half(bits: u8) -> Self {
                Self { $field: bits & 1 == 1 }
            }

            fn half(&self) -> u8 {
                u8::from(self.$field)
            }
        }
    )*};
}
pub(crate) use half_flags;
