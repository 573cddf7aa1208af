//! The tables of TS 24.301 clause 8 as a macro: a message's fields, their formats and identifiers, read once for the value
//! type, the decoder and the encoder.

/// Defines a message value with its codec.
///
/// Formats of mandatory elements: `low` and `high` (halves of one octet, low first), `low_only` (the high half is spare), `v`
/// with a count of octets, `lv`, `lve`. Formats of optional elements: `tv1`, `tv` with a count of octets after the identifier,
/// `tlv`, `tlve`. `fixed` lists table elements without a field that have no length indicator.
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
            #[allow(clippy::new_without_default, reason = "one form for all messages, most have arguments")]
            pub fn new($($($mfield: $mtype),*)?) -> Self {
                Self {
                    $($($mfield,)*)?
                    $($($ofield: None,)*)?
                    other_ies: crate::ie::OtherIes::new(),
                }
            }
        }

        impl crate::codec::Body for $name {
            #[allow(unused_variables, unused_mut, reason = "messages without elements of a kind")]
            fn read(octets: &[u8]) -> Result<Self, crate::ErrorKind> {
                let mut rest = octets;
                $($(let $mfield: $mtype = message!(@read rest, stringify!($mfield), $mfmt $(($mlen))?);)*)?
                let mut message = Self::new($($($mfield),*)?);
                let mut optional = crate::codec::optional::Reader::new(rest, |iei| match iei {
                    $($(message!(@pattern $iei $ofmt) => message!(@format $ofmt $(($olen))?),)*)?
                    $($($fiei => crate::codec::optional::Format::Fixed($flen),)*)?
                    other => crate::codec::optional::Format::of_unknown(other),
                });
                while let Some(element) = optional.next()? {
                    let place = match element.key {
                        $($($iei => message.$ofield.is_none().then(|| {
                            message.$ofield = message!(@value element, $ofmt);
                            message.$ofield.is_some()
                        }),)*)?
                        other => {
                            crate::codec::optional::check_comprehension(other)?;
                            None
                        }
                    };
                    optional.keep(element, place == Some(true), Self::ORDER);
                }
                message.other_ies = optional.into_other_ies();
                Ok(message)
            }

            #[allow(unused_variables, reason = "messages without elements of a kind")]
            fn write(&self, out: &mut Vec<u8>) -> Result<(), crate::EncodeError> {
                $($(message!(@write out, self.$mfield, stringify!($mfield), $mfmt);)*)?
                if self.other_ies.entries.is_empty() {
                    $($(if let Some(value) = &self.$ofield {
                        message!(@write_optional out, value, stringify!($ofield), $iei, $ofmt);
                    })*)?
                    return Ok(());
                }
                crate::codec::optional::write_in_order(
                    out,
                    &self.other_ies.entries,
                    Self::ORDER,
                    &|iei| match iei {
                        $($($iei => self.$ofield.is_some(),)*)?
                        _ => false,
                    },
                    &|iei, out| {
                        match iei {
                            $($($iei => if let Some(value) = &self.$ofield {
                                message!(@write_optional out, value, stringify!($ofield), $iei, $ofmt);
                            },)*)?
                            _ => {}
                        }
                        Ok(())
                    },
                )
            }
        }

        impl $name {
            /// Identifiers of the optional fields in the order of the table.
            const ORDER: &'static [u8] = &[$($($iei),*)?];
        }

        #[cfg(test)]
        impl crate::sample::Sample for $name {
            #[allow(unused_mut, unused_variables, reason = "messages without elements of a kind")]
            fn sample(source: &mut crate::sample::Source) -> Self {
                let mut message = Self::new($($(<$mtype as crate::sample::Sample>::sample(source)),*)?);
                $($(if source.coin() {
                    message.$ofield = Some(<$otype as crate::sample::Sample>::sample(source));
                })*)?
                message
            }
        }
    };

    (@read $rest:ident, $field:expr, low) => {
        crate::codec::HalfOctet::from_half(crate::codec::read::low($rest, $field)?)
    };
    (@read $rest:ident, $field:expr, high) => {
        crate::codec::HalfOctet::from_half(crate::codec::read::high(&mut $rest, $field)?)
    };
    (@read $rest:ident, $field:expr, low_only) => {
        crate::codec::HalfOctet::from_half(crate::codec::read::low_only(&mut $rest, $field)?)
    };
    (@read $rest:ident, $field:expr, v($len:literal)) => {
        crate::codec::read::value(crate::codec::read::v(&mut $rest, $len, $field)?, $field)?
    };
    (@read $rest:ident, $field:expr, lv) => {
        crate::codec::read::value(crate::codec::read::lv(&mut $rest, $field)?, $field)?
    };
    (@read $rest:ident, $field:expr, lve) => {
        crate::codec::read::value(crate::codec::read::lve(&mut $rest, $field)?, $field)?
    };

    (@pattern $iei:literal $fmt:ident) => { $iei };
    (@format tv1) => { crate::codec::optional::Format::Half };
    (@format tv($len:literal)) => { crate::codec::optional::Format::Fixed($len) };
    (@format tlv) => { crate::codec::optional::Format::Short };
    (@format tlve) => { crate::codec::optional::Format::Long };

    (@value $element:ident, tv1) => {
        Some(crate::codec::HalfOctet::from_half($element.half()))
    };
    (@value $element:ident, $fmt:ident) => {
        $element.value().and_then(crate::codec::Element::read)
    };

    (@write $out:ident, $value:expr, $field:expr, low) => {
        $out.push(crate::codec::HalfOctet::half(&$value) & 0x0f)
    };
    (@write $out:ident, $value:expr, $field:expr, high) => {
        if let Some(last) = $out.last_mut() {
            *last |= crate::codec::HalfOctet::half(&$value) << 4;
        }
    };
    (@write $out:ident, $value:expr, $field:expr, low_only) => {
        $out.push(crate::codec::HalfOctet::half(&$value) & 0x0f)
    };
    (@write $out:ident, $value:expr, $field:expr, v) => {
        crate::codec::Element::write(&$value, $out)
    };
    (@write $out:ident, $value:expr, $field:expr, lv) => {
        crate::codec::write::lv(&$value, $out, $field)?
    };
    (@write $out:ident, $value:expr, $field:expr, lve) => {
        crate::codec::write::lve(&$value, $out, $field)?
    };

    (@write_optional $out:ident, $value:ident, $field:expr, $iei:literal, tv1) => {
        $out.push($iei | crate::codec::HalfOctet::half($value) & 0x0f)
    };
    (@write_optional $out:ident, $value:ident, $field:expr, $iei:literal, tv) => {{
        $out.push($iei);
        crate::codec::Element::write($value, $out)
    }};
    (@write_optional $out:ident, $value:ident, $field:expr, $iei:literal, tlv) => {{
        $out.push($iei);
        crate::codec::write::lv($value, $out, $field)?
    }};
    (@write_optional $out:ident, $value:ident, $field:expr, $iei:literal, tlve) => {{
        $out.push($iei);
        crate::codec::write::lve($value, $out, $field)?
    }};
}
pub(crate) use message;

/// Implements `decode`, `encode` and `name` of an enumeration of messages. `by_direction` names a message type whose content
/// depends on who sent it.
macro_rules! dispatch {
    (
        $enum:ident {
            $($code:literal => $variant:ident $words:literal,)*
        }
        $(by_direction { $dcode:literal => uplink $up:ident downlink $down:ident $dwords:literal })?
    ) => {
        impl $enum {
            /// Name of the message as the specification writes it.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $words,)*
                    $(Self::$up(_) | Self::$down(_) => $dwords,)?
                }
            }

            /// Message type octet.
            #[must_use]
            pub const fn message_type(&self) -> u8 {
                match self {
                    $(Self::$variant(_) => $code,)*
                    $(Self::$up(_) | Self::$down(_) => $dcode,)?
                }
            }

            #[allow(unused_variables, reason = "only one of the two sublayers has messages that depend on it")]
            fn read_body(
                message_type: u8,
                body: &[u8],
                direction: crate::Direction,
            ) -> Result<Self, crate::ErrorKind> {
                use crate::codec::Body;
                match message_type {
                    $($code => Body::read(body).map(Self::$variant),)*
                    $($dcode => match direction {
                        crate::Direction::Uplink => Body::read(body).map(Self::$up),
                        crate::Direction::Downlink => Body::read(body).map(Self::$down),
                    },)?
                    _ => Err(crate::ErrorKind::MessageType),
                }
            }

            fn write_body(&self, out: &mut Vec<u8>) -> Result<(), crate::EncodeError> {
                use crate::codec::Body;
                match self {
                    $(Self::$variant(message) => message.write(out),)*
                    $(
                        Self::$up(message) => message.write(out),
                        Self::$down(message) => message.write(out),
                    )?
                }
            }
        }
        #[cfg(test)]
        impl $enum {
            /// One random message of each type.
            pub(crate) fn samples(source: &mut crate::sample::Source) -> Vec<Self> {
                use crate::sample::Sample;
                vec![
                    $(Self::$variant(Sample::sample(source)),)*
                    $(
                        Self::$up(Sample::sample(source)),
                        Self::$down(Sample::sample(source)),
                    )?
                ]
            }
        }
        $(dispatch!(@from $enum, $variant);)*
        $(
            dispatch!(@from $enum, $up);
            dispatch!(@from $enum, $down);
        )?
    };
    (@from $enum:ident, $variant:ident) => {
        impl From<$variant> for $enum {
            fn from(message: $variant) -> Self {
                Self::$variant(message)
            }
        }
    };
}
pub(crate) use dispatch;
