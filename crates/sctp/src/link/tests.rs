//! The mailboxes: bounds, wake-ups, ends.

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use super::*;
use crate::event::{Carrier, PeerInfo};

struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn link(inbox: usize, outbox: usize) -> Link {
    let info = AssociationInfo {
        peer: PeerInfo {
            primary: (Ipv4Addr::LOCALHOST, 1).into(),
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            out_streams: 2,
            in_streams: 2,
        },
        local_port: 2,
        path: Ipv4Addr::LOCALHOST.into(),
        srtt: None,
        carrier: Carrier::Udp,
    };
    let limits = Limits { inbox, outbox, message: 1000 };
    Link::new(Kick::Task(Notify::new()), limits, info)
}

fn message(len: usize) -> Message {
    Message::new(0, 18, vec![7; len])
}

#[test]
fn outbox_makes_the_sender_wait_and_wakes_it_when_fetched() {
    let link = link(1000, 300);
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = Waker::from(counter.clone());
    link.offer(message(200), None).unwrap();
    let (_, error) = link.offer(message(200), Some(&waker)).unwrap_err();
    assert_eq!(error, SendError::Full);
    let mut out = Vec::new();
    assert!(link.fetch(1, &mut out).drained);
    assert_eq!((out.len(), counter.0.load(Ordering::SeqCst)), (1, 1));
    link.offer(message(900), None).expect("an empty outbox takes any legal message");
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let link = link(1000, 1000);
    let refused = |message| link.offer(message, None).unwrap_err().1;
    assert_eq!(refused(message(0)), SendError::Empty);
    let too_long = SendError::TooLong { len: 1001, limit: 1000 };
    assert_eq!(refused(message(1001)), too_long);
    let no_stream = SendError::NoStream { stream: 2, streams: 2 };
    assert_eq!(refused(Message::new(2, 18, vec![1])), no_stream);
    link.end(Ending::Shutdown);
    assert_eq!(refused(message(1)), SendError::Closed(CloseReason::Shutdown));
}

#[test]
fn inbox_stops_the_back_end_and_kicks_it_at_half() {
    let link = link(400, 100);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(link.has_room());
    link.deliver((0..4).map(|_| Event::Message(message(100))));
    assert!(!link.has_room());
    link.unkick();
    assert!(link.poll_recv(&mut cx).is_ready());
    assert!(link.poll_recv(&mut cx).is_ready());
    assert!(!link.kicked.load(Ordering::SeqCst), "328 of 400 octets left");
    assert!(link.poll_recv(&mut cx).is_ready());
    assert!(link.kicked.load(Ordering::SeqCst));
    assert!(link.has_room());
}

#[test]
fn close_follows_what_was_delivered_and_stays() {
    let link = link(400, 100);
    let mut cx = Context::from_waker(Waker::noop());
    link.deliver([Event::Restarted]);
    link.close(&CloseReason::Lost);
    let lost = Poll::Ready(Event::Closed(CloseReason::Lost));
    assert_eq!(link.poll_recv(&mut cx), Poll::Ready(Event::Restarted));
    assert_eq!(link.poll_recv(&mut cx), lost);
    assert_eq!(link.poll_recv(&mut cx), lost);
    let closed = SendError::Closed(CloseReason::Lost);
    assert_eq!(link.offer(message(1), None).unwrap_err().1, closed);
}

#[test]
fn without_a_reader_nothing_piles_up() {
    let link = link(100, 100);
    link.deliver([Event::Message(message(100))]);
    assert!(!link.has_room());
    link.discard_incoming();
    assert!(link.has_room());
    link.deliver([Event::Message(message(100))]);
    assert!(link.has_room());
}

#[test]
fn abort_overrules_shutdown_and_not_the_reverse() {
    let link = link(100, 100);
    link.end(Ending::Shutdown);
    link.end(Ending::Abort("one".into()));
    link.end(Ending::Abort("two".into()));
    link.end(Ending::Shutdown);
    let ending = link.fetch(1, &mut Vec::new()).ending;
    assert_eq!(ending, Some(Ending::Abort("one".into())));
}
