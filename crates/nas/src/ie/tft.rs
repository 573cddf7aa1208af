//! Traffic flow template (TS 24.008 §10.5.6.12): which packets go into a bearer.
//!
//! [`TrafficFlow`] is the element as it travels; [`Tft`] is what it says. A message is read without looking into it, so that a
//! template that makes no sense is answered with a cause about the template (TS 24.301 §6.4.2.4), not about the message.

use super::TrafficFlow;
use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// A template, or a change of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tft {
    /// What is to be done, and with which filters.
    pub operation: TftOperation,
    /// Parameters (authorisation token, flow identifier, packet filter identifiers), each with its identifier, as they came.
    pub parameters: Vec<(u8, Vec<u8>)>,
}

/// TFT operation code with its packet filter list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TftOperation {
    /// Ignored by its receiver (0).
    Ignore,
    /// Create a new template (1): 1 to 15 filters.
    Create(Vec<PacketFilter>),
    /// Delete the template (2).
    Delete,
    /// Add filters (3).
    Add(Vec<PacketFilter>),
    /// Replace the filters of the same identifiers (4).
    Replace(Vec<PacketFilter>),
    /// Delete the filters with these identifiers (5).
    DeleteFilters(Vec<u8>),
    /// Only the parameters count (6).
    None,
}

/// One packet filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PacketFilter {
    /// Identifier in the template, 0 to 15.
    pub id: u8,
    /// Which packets it is about.
    pub direction: FilterDirection,
    /// Lower is looked at first; no two filters of a PDN connection have the same.
    pub precedence: u8,
    /// What a packet must have, all of it.
    pub components: Vec<FilterComponent>,
}

/// Direction of a packet filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FilterDirection {
    /// As before release 7: both.
    PreRelease7,
    /// To the phone only.
    Downlink,
    /// From the phone only.
    Uplink,
    /// Both.
    Bidirectional,
}

/// A component of a packet filter. "Remote" is the far end, "local" the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FilterComponent {
    /// IPv4 remote address and mask.
    Ipv4Remote(Ipv4Addr, Ipv4Addr),
    /// IPv4 local address and mask.
    Ipv4Local(Ipv4Addr, Ipv4Addr),
    /// IPv6 remote address and mask.
    Ipv6Remote(Ipv6Addr, Ipv6Addr),
    /// IPv6 remote address and prefix length.
    Ipv6RemotePrefix(Ipv6Addr, u8),
    /// IPv6 local address and prefix length.
    Ipv6LocalPrefix(Ipv6Addr, u8),
    /// Protocol, or IPv6 next header.
    Protocol(u8),
    /// The phone's port.
    LocalPort(u16),
    /// First and last of the phone's ports.
    LocalPorts(u16, u16),
    /// The far end's port.
    RemotePort(u16),
    /// First and last of the far end's ports.
    RemotePorts(u16, u16),
    /// Security parameter index of IPsec.
    SecurityParameterIndex(u32),
    /// Type of service or traffic class, and the bits of it that count.
    Tos(u8, u8),
    /// IPv6 flow label, 20 bits.
    FlowLabel(u32),
}

/// What is wrong with a template, as the ESM cause to refuse it with (TS 24.301 §6.4.2.4, §6.5.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TftError {
    /// #42: the operation does not fit what comes with it.
    SyntaxOfOperation,
    /// #45: a packet filter cannot be read.
    SyntaxOfFilter,
}

impl Tft {
    /// A template without parameters.
    #[must_use]
    pub const fn new(operation: TftOperation) -> Self {
        Self { operation, parameters: Vec::new() }
    }

    /// Reads an element.
    ///
    /// # Errors
    /// [`TftError`], with the cause to answer.
    pub fn decode(flow: &TrafficFlow) -> Result<Self, TftError> {
        let (&first, mut rest) = flow.0.split_first().ok_or(TftError::SyntaxOfOperation)?;
        let count = usize::from(first & 0x0f);
        let has_filters = matches!(first >> 5, 1 | 3 | 4);
        if (has_filters || first >> 5 == 5) == (count == 0) {
            return Err(TftError::SyntaxOfOperation);
        }
        let mut filters = Vec::new();
        if has_filters {
            for _ in 0..count {
                filters.push(PacketFilter::read(&mut rest)?);
            }
            let repeated =
                |at: usize, filter: &PacketFilter| filters.iter().take(at).any(|other| other.id == filter.id);
            if filters.iter().enumerate().any(|(at, filter)| repeated(at, filter)) {
                return Err(TftError::SyntaxOfFilter);
            }
        }
        let operation = match first >> 5 {
            0 => TftOperation::Ignore,
            1 => TftOperation::Create(filters),
            2 => TftOperation::Delete,
            3 => TftOperation::Add(filters),
            4 => TftOperation::Replace(filters),
            5 => {
                let (ids, after) = rest.split_at_checked(count).ok_or(TftError::SyntaxOfOperation)?;
                rest = after;
                TftOperation::DeleteFilters(ids.iter().map(|id| id & 0x0f).collect())
            }
            6 => TftOperation::None,
            _ => return Err(TftError::SyntaxOfOperation),
        };
        let mut parameters = Vec::new();
        while first & 0x10 != 0 && !rest.is_empty() {
            let &[id, length, ref after @ ..] = rest else { return Err(TftError::SyntaxOfOperation) };
            let (value, after) = after.split_at_checked(usize::from(length)).ok_or(TftError::SyntaxOfOperation)?;
            parameters.push((id, value.to_vec()));
            rest = after;
        }
        Ok(Self { operation, parameters })
    }

    /// The element. At most 15 filters are written, and parameters of at most 255 octets.
    #[must_use]
    pub fn encode(&self) -> TrafficFlow {
        const MOST: usize = 15;
        let none: &[PacketFilter] = &[];
        let (code, filters, ids): (u8, &[PacketFilter], &[u8]) = match &self.operation {
            TftOperation::Ignore => (0, none, &[]),
            TftOperation::Create(filters) => (1, filters, &[]),
            TftOperation::Delete => (2, none, &[]),
            TftOperation::Add(filters) => (3, filters, &[]),
            TftOperation::Replace(filters) => (4, filters, &[]),
            TftOperation::DeleteFilters(ids) => (5, none, ids),
            TftOperation::None => (6, none, &[]),
        };
        let count = filters.len().max(ids.len()).min(MOST) as u8;
        let extended = u8::from(!self.parameters.is_empty()) << 4;
        let mut out = vec![code << 5 | extended | count];
        filters.iter().take(MOST).for_each(|filter| filter.write(&mut out));
        out.extend(ids.iter().take(MOST).map(|id| id & 0x0f));
        for (id, value) in &self.parameters {
            let value = value.get(..255).unwrap_or(value);
            out.extend([*id, value.len() as u8]);
            out.extend_from_slice(value);
        }
        TrafficFlow(out)
    }
}

impl PacketFilter {
    fn read(rest: &mut &[u8]) -> Result<Self, TftError> {
        let &[head, precedence, length, ref after @ ..] = *rest else { return Err(TftError::SyntaxOfFilter) };
        let (mut contents, after) = after.split_at_checked(usize::from(length)).ok_or(TftError::SyntaxOfFilter)?;
        *rest = after;
        let direction = match head >> 4 & 3 {
            0 => FilterDirection::PreRelease7,
            1 => FilterDirection::Downlink,
            2 => FilterDirection::Uplink,
            _ => FilterDirection::Bidirectional,
        };
        let mut components = Vec::new();
        while let Some((&kind, after)) = contents.split_first() {
            let (component, after) = FilterComponent::read(kind, after).ok_or(TftError::SyntaxOfFilter)?;
            components.push(component);
            contents = after;
        }
        if components.is_empty() {
            return Err(TftError::SyntaxOfFilter);
        }
        Ok(Self { id: head & 0x0f, direction, precedence, components })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let direction = match self.direction {
            FilterDirection::PreRelease7 => 0,
            FilterDirection::Downlink => 1,
            FilterDirection::Uplink => 2,
            FilterDirection::Bidirectional => 3,
        };
        let mut contents = Vec::new();
        self.components.iter().for_each(|component| component.write(&mut contents));
        // Thirteen kinds of component, at most 33 octets each and each once, fit.
        contents.truncate(255);
        out.extend([direction << 4 | self.id & 0x0f, self.precedence, contents.len() as u8]);
        out.extend(contents);
    }
}

impl FilterComponent {
    fn read(kind: u8, octets: &[u8]) -> Option<(Self, &[u8])> {
        fn split<const N: usize>(octets: &[u8]) -> Option<([u8; N], &[u8])> {
            octets.split_first_chunk::<N>().map(|(head, rest)| (*head, rest))
        }
        let v4 = |octets| {
            let ([a, b, c, d, e, f, g, h], rest) = split::<8>(octets)?;
            Some((Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h), rest))
        };
        let v6 = |octets| split::<16>(octets).map(|(address, rest)| (Ipv6Addr::from(address), rest));
        let port = |octets| split::<2>(octets).map(|(port, rest)| (u16::from_be_bytes(port), rest));
        Some(match kind {
            0x10 => v4(octets).map(|(address, mask, rest)| (Self::Ipv4Remote(address, mask), rest))?,
            0x11 => v4(octets).map(|(address, mask, rest)| (Self::Ipv4Local(address, mask), rest))?,
            0x20 => {
                let (address, rest) = v6(octets)?;
                let (mask, rest) = v6(rest)?;
                (Self::Ipv6Remote(address, mask), rest)
            }
            0x21 | 0x23 => {
                let (address, rest) = v6(octets)?;
                let (&length, rest) = rest.split_first().filter(|(length, _)| **length <= 128)?;
                let make = if kind == 0x21 { Self::Ipv6RemotePrefix } else { Self::Ipv6LocalPrefix };
                (make(address, length), rest)
            }
            0x30 => octets.split_first().map(|(protocol, rest)| (Self::Protocol(*protocol), rest))?,
            0x40 => port(octets).map(|(port, rest)| (Self::LocalPort(port), rest))?,
            0x50 => port(octets).map(|(port, rest)| (Self::RemotePort(port), rest))?,
            0x41 | 0x51 => {
                let (low, rest) = port(octets)?;
                let (high, rest) = port(rest).filter(|(high, _)| *high >= low)?;
                let make = if kind == 0x41 { Self::LocalPorts } else { Self::RemotePorts };
                (make(low, high), rest)
            }
            0x60 => {
                split::<4>(octets).map(|(spi, rest)| (Self::SecurityParameterIndex(u32::from_be_bytes(spi)), rest))?
            }
            0x70 => split::<2>(octets).map(|([tos, mask], rest)| (Self::Tos(tos, mask), rest))?,
            0x80 => split::<3>(octets)
                .map(|([a, b, c], rest)| (Self::FlowLabel(u32::from_be_bytes([0, a & 0x0f, b, c])), rest))?,
            _ => return None,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ipv4Remote(address, mask) | Self::Ipv4Local(address, mask) => {
                out.push(if matches!(self, Self::Ipv4Remote(..)) { 0x10 } else { 0x11 });
                out.extend(address.octets());
                out.extend(mask.octets());
            }
            Self::Ipv6Remote(address, mask) => {
                out.push(0x20);
                out.extend(address.octets());
                out.extend(mask.octets());
            }
            Self::Ipv6RemotePrefix(address, length) | Self::Ipv6LocalPrefix(address, length) => {
                out.push(if matches!(self, Self::Ipv6RemotePrefix(..)) { 0x21 } else { 0x23 });
                out.extend(address.octets());
                out.push(*length);
            }
            Self::Protocol(protocol) => out.extend([0x30, *protocol]),
            Self::LocalPort(port) | Self::RemotePort(port) => {
                out.push(if matches!(self, Self::LocalPort(_)) { 0x40 } else { 0x50 });
                out.extend(port.to_be_bytes());
            }
            Self::LocalPorts(low, high) | Self::RemotePorts(low, high) => {
                out.push(if matches!(self, Self::LocalPorts(..)) { 0x41 } else { 0x51 });
                out.extend(low.to_be_bytes());
                out.extend(high.to_be_bytes());
            }
            Self::SecurityParameterIndex(spi) => {
                out.push(0x60);
                out.extend(spi.to_be_bytes());
            }
            Self::Tos(tos, mask) => out.extend([0x70, *tos, *mask]),
            Self::FlowLabel(label) => {
                out.push(0x80);
                out.extend(label.to_be_bytes().iter().skip(1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_template_reads_as_it_stands_in_the_specification() {
        let filter = PacketFilter {
            id: 1,
            direction: FilterDirection::Bidirectional,
            precedence: 10,
            components: vec![
                FilterComponent::Ipv4Remote(Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::BROADCAST),
                FilterComponent::Protocol(17),
                FilterComponent::RemotePorts(5000, 5010),
            ],
        };
        let tft = Tft::new(TftOperation::Create(vec![filter]));
        let octets = tft.encode();
        assert_eq!(
            octets.0,
            [0x21, 0x31, 10, 16, 0x10, 192, 0, 2, 1, 255, 255, 255, 255, 0x30, 17, 0x51, 0x13, 0x88, 0x13, 0x92]
        );
        assert_eq!(Tft::decode(&octets), Ok(tft));
    }

    #[test]
    fn deletions_name_identifiers_only() {
        let tft = Tft::new(TftOperation::DeleteFilters(vec![2, 9]));
        assert_eq!(tft.encode().0, [0xa2, 2, 9]);
        assert_eq!(Tft::decode(&tft.encode()), Ok(tft));
        assert_eq!(Tft::decode(&TrafficFlow(vec![0x40])), Ok(Tft::new(TftOperation::Delete)));
        let with = Tft { operation: TftOperation::None, parameters: vec![(3, vec![1])] };
        assert_eq!(with.encode().0, [0xd0, 3, 1, 1]);
        assert_eq!(Tft::decode(&with.encode()), Ok(with));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let operation = [vec![], vec![0x20], vec![0x41], vec![0xe0], vec![0xa2, 1], vec![0xd0, 3, 4, 1]];
        for octets in operation {
            assert_eq!(Tft::decode(&TrafficFlow(octets.clone())), Err(TftError::SyntaxOfOperation), "{octets:?}");
        }
        let filter = [
            vec![0x21],
            vec![0x21, 0, 0, 0],
            vec![0x21, 0, 0, 2, 0x10, 1],
            vec![0x21, 0, 0, 9, 0x30, 1],
            vec![0x21, 0, 0, 5, 0x41, 0, 9, 0, 8],
            vec![0x22, 0, 0, 2, 0x30, 6, 0, 1, 2, 0x30, 17],
        ];
        for octets in filter {
            assert_eq!(Tft::decode(&TrafficFlow(octets.clone())), Err(TftError::SyntaxOfFilter), "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic_and_what_reads_writes_back(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(tft) = Tft::decode(&TrafficFlow(octets)) {
                prop_assert_eq!(Tft::decode(&tft.encode()), Ok(tft));
            }
        }
    }
}
