//! `dcsctp` as this crate uses it: options, conversions, and a fence around its panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use dcsctp::api::{
    DcSctpSocket, ErrorKind, Message as StackMessage, Options, PpId, Socket, SocketEvent, SocketTime, StreamId,
};

use crate::config::Config;
use crate::event::{CloseReason, Message};

/// Octets handed to the stack ahead of what the network takes.
pub(super) const HIGH: usize = 128 * 1024;
/// The stack asks for more at this level.
pub(super) const LOW: usize = 32 * 1024;
/// What the stack may queue; never reached, as it gets at most [`HIGH`] and one message.
const MAX: usize = 16 << 20;
/// Longest text of a peer that goes into a reason.
pub(super) const REASON: usize = 128;

/// The stack's options for one association.
pub(crate) fn options(config: &Config, local_port: u16, peer_port: u16) -> Options {
    Options {
        local_port,
        remote_port: peer_port,
        announced_maximum_incoming_streams: config.in_streams,
        announced_maximum_outgoing_streams: config.out_streams,
        mtu: usize::from(config.mtu & !3),
        max_message_size: config.max_message,
        max_receiver_window_buffer_size: config.receive_window,
        max_send_buffer_size: MAX,
        per_stream_send_queue_limit: MAX,
        total_buffered_amount_low_threshold: LOW,
        rto_initial: config.rto.initial,
        rto_min: config.rto.min,
        rto_max: config.rto.max,
        t1_init_timeout: config.rto.initial,
        t1_cookie_timeout: config.rto.initial,
        t2_shutdown_timeout: config.rto.initial,
        max_timer_backoff_duration: Some(config.rto.max),
        heartbeat_interval: config.heartbeat,
        delayed_ack_max_timeout: config.sack_delay,
        max_retransmissions: Some(config.max_retrans),
        max_init_retransmits: Some(config.max_init),
        enable_partial_reliability: false,
        // Checked on receipt, before the packet is looked at at all.
        disable_checksum_verification: true,
        ..Options::default()
    }
}

pub(super) fn time(now: Duration) -> SocketTime {
    SocketTime::zero() + now
}

/// Runs the stack; a panic in it costs the association and no more.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, CloseReason> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        tracing::error!("SCTP stack panicked; association given up");
        CloseReason::Protocol("internal error".to_owned())
    })
}

/// Lets a throw-away stack answer an INIT. The answer is not sealed yet.
pub(crate) fn answer_init(options: &Options, packet: &[u8]) -> Option<Vec<u8>> {
    guarded(|| {
        let mut stack = Socket::new("init", options);
        stack.handle_input(packet);
        std::iter::from_fn(|| stack.poll_event()).find_map(|event| match event {
            SocketEvent::SendPacket(packet) => Some(packet),
            _ => None,
        })
    })
    .ok()
    .flatten()
}

pub(super) fn from_stack(message: StackMessage) -> Message {
    Message {
        stream: message.stream_id.0,
        ppid: message.ppid.0,
        unordered: false,
        payload: Bytes::from(message.payload),
    }
}

pub(super) fn to_stack(message: Message) -> StackMessage {
    StackMessage::new(StreamId(message.stream), PpId(message.ppid), Vec::from(message.payload))
}

pub(super) fn close_reason(kind: ErrorKind, why: &str) -> CloseReason {
    let why = why.strip_prefix("User-Initiated Abort, reason=").unwrap_or(why);
    let why: String = why.chars().filter(|c| !c.is_control()).take(REASON).collect();
    match kind {
        ErrorKind::PeerReported => CloseReason::PeerAbort(why),
        ErrorKind::TooManyRetries => CloseReason::Lost,
        _ => CloseReason::Protocol(why),
    }
}
