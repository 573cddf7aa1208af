//! Messages (TS 29.281 §6, §7).

use crate::element::Element;
use crate::{DecodeError, EncodeError, Header};
use basalt_ids::Teid;
use core::net::IpAddr;

/// A header and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// The header.
    pub header: Header,
    /// The message.
    pub message: Message,
}

/// A GTP-U message. `others` are information elements besides the ones named, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Is the path alive? (§7.2.1)
    EchoRequest {
        /// Private extensions.
        others: Vec<Element>,
    },
    /// It is (§7.2.2).
    EchoResponse {
        /// Restart counter, sent as 0 and ignored.
        recovery: u8,
        /// Private extensions.
        others: Vec<Element>,
    },
    /// Which extension headers the sender knows (§7.2.3).
    SupportedExtensionHeaders {
        /// Their types.
        types: Vec<u8>,
        /// Anything else.
        others: Vec<Element>,
    },
    /// A G-PDU came for a tunnel that the sender does not know (§7.3.1).
    ErrorIndication {
        /// The TEID that was in the G-PDU.
        teid: Teid,
        /// The address the G-PDU was sent to.
        peer: IpAddr,
        /// Private extensions.
        others: Vec<Element>,
    },
    /// No G-PDU follows on this tunnel (§7.3.2).
    EndMarker {
        /// Private extensions.
        others: Vec<Element>,
    },
    /// A user's packet (§6.1).
    GPdu(Vec<u8>),
}

/// Numbers of message types (TS 29.281 table 6.1-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageType;

impl MessageType {
    /// Echo Request.
    pub const ECHO_REQUEST: u8 = 1;
    /// Echo Response.
    pub const ECHO_RESPONSE: u8 = 2;
    /// Error Indication.
    pub const ERROR_INDICATION: u8 = 26;
    /// Supported Extension Headers Notification.
    pub const SUPPORTED_EXTENSION_HEADERS: u8 = 31;
    /// End Marker.
    pub const END_MARKER: u8 = 254;
    /// G-PDU.
    pub const G_PDU: u8 = 255;
}

impl Datagram {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`DecodeError`] for everything that is not exactly one GTP-U message.
    pub fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        let (header, kind, body) = Header::decode(octets)?;
        let message = match kind {
            MessageType::G_PDU => Message::GPdu(body.to_vec()),
            MessageType::ECHO_REQUEST => Message::EchoRequest { others: Element::decode_all(body)? },
            MessageType::ECHO_RESPONSE => echo_response(Element::decode_all(body)?)?,
            MessageType::ERROR_INDICATION => error_indication(Element::decode_all(body)?)?,
            MessageType::SUPPORTED_EXTENSION_HEADERS => supported(Element::decode_all(body)?)?,
            MessageType::END_MARKER => Message::EndMarker { others: Element::decode_all(body)? },
            other => return Err(DecodeError::MessageType(other)),
        };
        Ok(Self { header, message })
    }

    /// Writes the datagram.
    ///
    /// # Errors
    /// [`EncodeError`] for values longer than their fields, and for [`Element::Unknown`] of a type that is known.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let (kind, first, others): (u8, Vec<Element>, &[Element]) = match &self.message {
            Message::GPdu(packet) => return self.header.encode(MessageType::G_PDU, packet),
            Message::EchoRequest { others } => (MessageType::ECHO_REQUEST, vec![], others),
            Message::EchoResponse { recovery, others } => {
                (MessageType::ECHO_RESPONSE, vec![Element::Recovery(*recovery)], others)
            }
            Message::SupportedExtensionHeaders { types, others } => {
                (MessageType::SUPPORTED_EXTENSION_HEADERS, vec![Element::ExtensionTypes(types.clone())], others)
            }
            Message::ErrorIndication { teid, peer, others } => {
                let elements = vec![Element::TeidDataI(*teid), Element::PeerAddress(*peer)];
                (MessageType::ERROR_INDICATION, elements, others)
            }
            Message::EndMarker { others } => (MessageType::END_MARKER, vec![], others),
        };
        let mut body = Vec::new();
        for element in first.iter().chain(others) {
            element.encode(&mut body)?;
        }
        self.header.encode(kind, &body)
    }
}

fn echo_response(elements: Vec<Element>) -> Result<Message, DecodeError> {
    let mut recovery = None;
    let others = split(elements, |element| match element {
        Element::Recovery(counter) if recovery.is_none() => {
            recovery = Some(*counter);
            true
        }
        _ => false,
    });
    let recovery = recovery.ok_or(DecodeError::Absent("Recovery"))?;
    Ok(Message::EchoResponse { recovery, others })
}

fn error_indication(elements: Vec<Element>) -> Result<Message, DecodeError> {
    let (mut teid, mut peer) = (None, None);
    let others = split(elements, |element| match element {
        Element::TeidDataI(value) if teid.is_none() => {
            teid = Some(*value);
            true
        }
        Element::PeerAddress(value) if peer.is_none() => {
            peer = Some(*value);
            true
        }
        _ => false,
    });
    let teid = teid.ok_or(DecodeError::Absent("Tunnel Endpoint Identifier Data I"))?;
    let peer = peer.ok_or(DecodeError::Absent("GTP-U Peer Address"))?;
    Ok(Message::ErrorIndication { teid, peer, others })
}

fn supported(elements: Vec<Element>) -> Result<Message, DecodeError> {
    let mut types = None;
    let others = split(elements, |element| match element {
        Element::ExtensionTypes(list) if types.is_none() => {
            types = Some(list.clone());
            true
        }
        _ => false,
    });
    let types = types.ok_or(DecodeError::Absent("Extension Header Type List"))?;
    Ok(Message::SupportedExtensionHeaders { types, others })
}

/// The elements that `take` did not want.
fn split(elements: Vec<Element>, mut take: impl FnMut(&Element) -> bool) -> Vec<Element> {
    elements.into_iter().filter(|element| !take(element)).collect()
}
