//! A place in a trace, as processes tell it to each other (W3C Trace Context, `traceparent`).

use core::fmt;
use core::str::FromStr;

/// A place in a trace: which trace, which span of it, and whether it is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Context {
    /// Of all spans that belong together; not zero.
    pub trace: [u8; 16],
    /// Of the span; not zero.
    pub span: [u8; 8],
    /// Whether it is told to a collector.
    pub sampled: bool,
}

/// A text is no `traceparent` of version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent: 00-32 hexadecimal digits-16 hexadecimal digits-2 hexadecimal digits")]
pub struct NotAContext;

impl Context {
    /// The beginning of a trace.
    #[must_use]
    pub fn new() -> Self {
        Self { trace: random(), span: random(), sampled: true }
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span: random(), ..*self }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

/// Random octets that are not all zero. Where the system gives none they are the same for all, and traces run into each other.
fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    if getrandom::fill(&mut octets).is_err() || octets == [0; N] {
        octets = [1; N];
    }
    octets
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        write!(f, "-{:02x}", u8::from(self.sampled))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Context {
    type Err = NotAContext;

    fn from_str(text: &str) -> Result<Self, NotAContext> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(NotAContext);
        let (version, trace, span, flags) = (part()?, part()?, part()?, part()?);
        if version != "00" || parts.next().is_some() {
            return Err(NotAContext);
        }
        let (trace, span, [flags]) = (hex::<16>(trace)?, hex::<8>(span)?, hex::<1>(flags)?);
        if trace == [0; 16] || span == [0; 8] {
            return Err(NotAContext);
        }
        Ok(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// Lower-case digits only, as the standard has them.
fn hex<const N: usize>(text: &str) -> Result<[u8; N], NotAContext> {
    let digit = |octet: u8| match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return Err(NotAContext);
    }
    let mut octets = [0; N];
    for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
        let value = |place: usize| pair.get(place).copied().and_then(digit).ok_or(NotAContext);
        *octet = (value(0)? << 4) | value(1)?;
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_as_it_was_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context: Context = text.parse().unwrap();
        assert_eq!((context.to_string().as_str(), context.sampled), (text, true));
        let child = context.child();
        assert!(child.trace == context.trace && child.span != context.span);
        assert_ne!(Context::new().trace, Context::new().trace);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-äbf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<Context>(), Err(NotAContext), "{text}");
        }
    }
}
