//! Signalling as spans of OpenTelemetry: a trace for each thing that a phone and the network do together, such as an attach, with its
//! parts. What a federation gateway is asked meanwhile carries the trace's context, so that its own spans are parts of the same trace.
//!
//! ```text
//!   records of call traces ─► follow ─► a story ends ─► spans ─► collector
//!                               └─► context of what is under way ─► requests to federation gateways
//! ```

use basalt_calltrace::{Follow, Record, Story};
use basalt_otlp::{Context, Exporter, Figures, Happened, Kind, Resource, Settings, Span, masked};
use std::collections::BTreeMap;

/// What nobody ends is told, as not ended, when nothing was heard for so long; microseconds. Longer than any NAS timer of a phone that
/// attaches, with its repetitions (TS 24.301 table 10.3.1).
const QUIET: u64 = 30_000_000;

/// Tells spans.
#[derive(Debug)]
pub struct Spans {
    exporter: Exporter,
    follow: Follow,
    /// Of phones of whom something is under way: the outermost span of it.
    roots: BTreeMap<String, Context>,
    sample: f64,
    identities: bool,
}

impl Spans {
    /// Begins to tell; within the runtime.
    ///
    /// # Errors
    /// The collector's address or authority cannot be used.
    pub fn start(settings: &Settings, gateway: &str) -> Result<Self, String> {
        let version = env!("CARGO_PKG_VERSION");
        let resource = Resource { service: "agwd", instance: gateway.to_owned(), version };
        Ok(Self {
            exporter: Exporter::start(settings, resource)?,
            follow: Follow::default(),
            roots: BTreeMap::new(),
            sample: settings.sample,
            identities: settings.identities,
        })
    }

    /// Takes a message of a known phone.
    pub fn take(&mut self, record: &Record) {
        let Some(imsi) = &record.imsi else { return };
        if !self.follow.is_under_way(imsi) {
            let context = Context::new();
            let sampled = is_chosen(&context, self.sample);
            self.roots.insert(imsi.clone(), Context { sampled, ..context });
        }
        let Some(story) = self.follow.take(record) else { return };
        if let Some(root) = self.roots.remove(&story.imsi) {
            self.tell(&story, root);
        }
    }

    /// The span that requests on behalf of this phone are made for.
    pub fn context(&self, imsi: &str) -> Option<Context> {
        self.roots.get(imsi).copied()
    }

    /// Gives up what nobody ends; `now` in microseconds since 1970.
    pub fn sweep(&mut self, now: u64) {
        let (stories, gone) = self.follow.given_up(now.saturating_sub(QUIET));
        for story in stories {
            if let Some(root) = self.roots.remove(&story.imsi) {
                self.tell(&story, root);
            }
        }
        for imsi in gone {
            self.roots.remove(&imsi);
        }
        if self.roots.len() > 2 * basalt_calltrace::FOLLOWED {
            self.roots.retain(|imsi, _| self.follow.is_under_way(imsi));
        }
    }

    /// What became of them.
    pub fn figures(&self) -> Figures {
        self.exporter.figures()
    }

    fn tell(&self, story: &Story, root: Context) {
        if root.sampled {
            spans(story, root, self.identities).into_iter().for_each(|span| self.exporter.tell(span));
        }
    }
}

/// The same for all who know the trace, as its number is random.
fn is_chosen(context: &Context, share: f64) -> bool {
    let [a, b, c, d, ..] = context.trace;
    f64::from(u32::from_be_bytes([a, b, c, d])) < share * (f64::from(u32::MAX) + 1.0)
}

/// A span for each procedure; the first is the root.
fn spans(story: &Story, root: Context, identities: bool) -> Vec<Span> {
    let contexts: Vec<Context> =
        (0..story.procedures.len()).map(|place| if place == 0 { root } else { root.child() }).collect();
    let imsi = masked(&story.imsi, identities);
    let one = |(place, procedure): (usize, &basalt_calltrace::Procedure)| {
        let parent = procedure.parent.and_then(|parent| contexts.get(parent).copied());
        let failure = match procedure.result {
            "success" => None,
            "failure" => Some(procedure.cause.clone().unwrap_or_else(|| "it failed".to_owned())),
            _ => Some("its end was not seen".to_owned()),
        };
        let said = procedure.messages.iter().filter_map(|number| story.messages.get(*number)).map(|message| {
            let cause = message.cause.iter().map(|cause| ("basalt.cause", cause.as_str().into()));
            Happened {
                at: message.at,
                name: message.name.clone(),
                attributes: [("basalt.protocol", message.protocol.into())].into_iter().chain(cause).collect(),
            }
        });
        Span {
            context: contexts.get(place).copied().unwrap_or(root),
            parent: parent.or((place > 0).then_some(root)),
            name: procedure.name.to_owned(),
            kind: if procedure.parent.is_none() { Kind::Server } else { Kind::Internal },
            began: procedure.began,
            ended: procedure.began.saturating_add(procedure.duration),
            failure,
            attributes: vec![("basalt.imsi", imsi.clone().into()), ("basalt.enb", story.peer.as_str().into())],
            events: said.collect(),
        }
    };
    story.procedures.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_calltrace::Protocol;

    /// An attach with an authentication that is refused.
    fn story() -> Story {
        let mut follow = Follow::default();
        let attach: &[u8] = &[7, 0x41, 0x71, 8, 9, 0x10, 0x10, 0, 0, 0, 0, 0x10, 2, 0xe0, 0xe0, 0, 4, 2, 1, 0xd0, 0x11];
        let challenge = [&[7, 0x52, 0][..], &[0; 16], &[16], &[0; 16]].concat();
        let answer: &[u8] = &[7, 0x53, 8, 1, 2, 3, 4, 5, 6, 7, 8];
        let said: [(bool, &[u8]); 4] = [(false, attach), (true, &challenge), (false, answer), (true, &[7, 0x44, 15])];
        let mut story = None;
        for (at, (sent, octets)) in (10..).zip(said) {
            let mut record = Record::new(at, Protocol::Nas, sent, octets.to_vec());
            record.imsi = Some("001010000000001".to_owned());
            record.peer = "001-01/0x19b".to_owned();
            story = follow.take(&record);
        }
        story.unwrap()
    }

    #[test]
    fn procedures_are_spans_of_one_trace() {
        let root = Context::new();
        let spans = spans(&story(), root, false);
        let told: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.parent, span.began, span.ended)).collect();
        assert_eq!(told, [("attach", None, 10, 13), ("authentication", Some(root), 11, 12)]);
        assert_eq!(spans[0].context, root);
        assert_eq!(spans[1].context.trace, root.trace);
        assert!(spans[0].failure.as_ref().is_some_and(|why| why.contains("cell")), "cause 15 in words: {:?}", spans[0]);
        assert_eq!(spans[1].failure, None);
        assert_eq!(spans[1].events[0].name, "AUTHENTICATION REQUEST");
        let shown = format!("{spans:?}");
        assert!(!shown.contains("001010000000001") && shown.contains("00101********01"), "{shown}");
    }

    #[test]
    fn a_share_is_a_share() {
        let of = |first: u8| {
            let mut context = Context::new();
            context.trace = [first; 16];
            context
        };
        assert!(is_chosen(&of(0xff), 1.0) && !is_chosen(&of(0), 0.0));
        assert!(is_chosen(&of(0x3f), 0.25) && !is_chosen(&of(0x40), 0.25));
    }
}
