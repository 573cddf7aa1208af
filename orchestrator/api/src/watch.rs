//! Watching a network by server-sent events (WHATWG HTML §9.2): objects as they change, events, phones and gateways as they are.
//!
//! ```text
//! GET …/watch?kinds=subscribers,phones ──► id: 12-345-1700000000000   (feed, event, time: Last-Event-ID goes on from there)
//!                                          event: object | event | phone | gateway | reset | end
//!                                          data: {…}
//! ```
//! A collection or an object is watched in the same way at its own address, where a client accepts `text/event-stream` or says `watch`.
//!
//! Each client has a short queue: one that does not read is ended. Before anything is sent the right is looked at again, so
//! that a session that ended, a key that was revoked or a role that was taken hears nothing more.

use crate::gate::{Call, authorise};
use crate::{Need, Operation, Problem, gateways, live, session};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use orchestrator_db::{Error, EventQuery};
use orchestrator_model::{Kind, Scope};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Between two looks at what other replicas changed and gateways told; what this one changed is known at once.
const LOOK: Duration = Duration::from_secs(1);
/// Looks without news between two comments that keep proxies from closing the line.
const QUIET: u32 = 15;
/// Messages that wait for a client, and how long one may wait.
const QUEUE: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);
/// Entries of a look.
const ENTRIES: u32 = 1000;
/// States of a look; more than that at once and the client is told to read anew.
const STATES: u32 = 5000;
/// What is written by clocks of several replicas is looked at again for so long, milliseconds.
const OVERLAP: i64 = 5000;
/// Numbers of events that may become visible after larger ones.
const LATE: i64 = 100;

/// Watches of one user, and of all.
const OF_ONE: usize = 16;
const OF_ALL: usize = 512;

const EVENTS: &str = "events";
const PHONES: &str = "phones";
const GATEWAYS: &str = "gateway-states";

/// How far somebody has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    feed: i64,
    event: i64,
    time: i64,
}

impl Marks {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').map(|part| part.parse().ok().filter(|number: &i64| *number >= 0));
        let marks = Self { feed: parts.next()??, event: parts.next()??, time: parts.next()?? };
        parts.next().is_none().then_some(marks)
    }
}

struct Watcher {
    call: Call,
    need: Need,
    kinds: BTreeSet<String>,
    /// Of this name alone.
    name: Option<String>,
    /// Where it began, and where it is.
    begun: Marks,
    marks: Marks,
    /// Told within the overlap: phones by gateway and IMSI, gateways, events.
    phones: BTreeMap<(String, String), i64>,
    gateways: BTreeMap<String, i64>,
    events: BTreeSet<i64>,
    out: mpsc::Sender<Result<Bytes, Infallible>>,
    _place: Seat,
}

/// Why a watch ends.
enum End {
    /// The client is gone, or does not read.
    Silent,
    /// It is told why.
    Told(&'static str),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        tracing::warn!(%error, "a watch ended");
        Self::Told("the database cannot be read now: come again")
    }
}

/// Whether a list or an object is to be watched instead of read.
pub(crate) fn is_wanted(call: &Call) -> bool {
    if !matches!(call.operation, Operation::List(_) | Operation::Read(_)) || call.network.is_empty() {
        return false;
    }
    let accepted = call.headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.trim().starts_with("text/event-stream"))
        || call.parameter("watch").is_some_and(|watch| ["", "true"].contains(&watch))
}

/// Begins to watch.
pub(crate) async fn begin(call: &Call, need: Need) -> Result<Response<Body>, Problem> {
    let (kinds, name) = match call.operation {
        Operation::List(kind) | Operation::Read(kind) => {
            (BTreeSet::from([kind.collection().to_owned()]), Some(call.name.clone()).filter(|name| !name.is_empty()))
        }
        _ => (kinds(call.parameter("kinds"))?, None),
    };
    let present = present(call).await?;
    let (marks, forgotten) = match call.headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default()) {
        Some(id) => resumed(call, id, present).await?,
        None => (present, false),
    };
    let place = call.state.watchers.place(&call.caller()?.name);
    let place =
        place.ok_or_else(|| Problem::new(429, "too-many-watchers", "too many watch already: try again later"))?;
    let (out, body) = mpsc::channel(QUEUE);
    if forgotten {
        let text = format!("event: reset\ndata: {}\n\n", json!({"reason": "too long ago: read everything anew"}));
        // The queue is new: there is room.
        let _ = out.try_send(Ok(text.into()));
    }
    let (phones, gateways, events) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let call = call.clone();
    let watcher =
        Watcher { call, need, kinds, name, begun: marks, marks, phones, gateways, events, out, _place: place };
    tokio::spawn(watcher.run());
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(body)));
    for (name, value) in [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn kinds(wanted: Option<&str>) -> Result<BTreeSet<String>, Problem> {
    let objects = Kind::ALL.iter().filter(|kind| kind.scope() == Scope::Network || **kind == Kind::Network);
    let all: BTreeSet<&str> = objects.map(|kind| kind.collection()).chain([EVENTS, PHONES, GATEWAYS]).collect();
    let Some(wanted) = wanted else { return Ok(all.into_iter().map(str::to_owned).collect()) };
    let kinds: BTreeSet<String> = wanted.split(',').map(str::to_owned).collect();
    match kinds.iter().find(|kind| !all.contains(kind.as_str())) {
        Some(_) => Err(Problem::bad("kinds are collections, events, phones and gateway-states, joined by commas")),
        None => Ok(kinds),
    }
}

/// Where everything stands now.
async fn present(call: &Call) -> Result<Marks, Problem> {
    let feeds = call.state.db.feeds().await?;
    let feed = feeds.into_iter().find(|(network, _)| *network == call.network).map_or(0, |(_, last)| last);
    let newest = EventQuery { limit: 1, ..EventQuery::default() };
    let event = call.state.db.gateway_events(&call.network, &newest).await?.items.first().map_or(0, |event| event.id);
    Ok(Marks { feed, event, time: call.now })
}

/// From where it goes on, and whether something that was to be told was forgotten meanwhile.
async fn resumed(call: &Call, id: &str, present: Marks) -> Result<(Marks, bool), Problem> {
    let marks = Marks::parse(id).filter(|marks| marks.feed <= present.feed && marks.event <= present.event);
    let marks = marks.ok_or_else(|| Problem::bad("Last-Event-ID is none of ours"))?;
    let next = call.state.db.feed(&call.network, marks.feed, 1).await?;
    let forgotten = marks.feed < present.feed && next.first().is_none_or(|next| next.number != marks.feed + 1);
    Ok((if forgotten { Marks { feed: present.feed, ..marks } } else { marks }, forgotten))
}

/// Who watches: each has a bounded number of places, and all together.
#[derive(Debug, Default)]
pub struct Watchers(Mutex<BTreeMap<String, usize>>);

/// A place, given back when dropped.
struct Seat {
    all: Arc<Watchers>,
    name: String,
}

impl Watchers {
    fn place(self: &Arc<Self>, name: &str) -> Option<Seat> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.get(name).copied().unwrap_or(0);
        if own >= OF_ONE || held.values().sum::<usize>() >= OF_ALL {
            return None;
        }
        held.insert(name.to_owned(), own + 1);
        Some(Seat { all: Arc::clone(self), name: name.to_owned() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get_mut(&self.name) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.name);
            }
        }
    }
}

impl Watcher {
    async fn run(mut self) {
        let mut stop = self.call.state.stop.clone();
        let ended = tokio::select! {
            ended = self.watch() => ended,
            _ = stop.wait_for(|stop| *stop) => End::Told("the orchestrator stops: come again"),
        };
        if let End::Told(why) = ended {
            // A client whose queue is full learns it by the end of the answer.
            let _ = self.out.try_send(Ok(format!("event: end\ndata: {}\n\n", json!({ "reason": why })).into()));
        }
    }

    async fn watch(&mut self) -> End {
        let mut wakes = self.call.state.db.wakes();
        let mut quiet = QUIET;
        loop {
            let news = match self.look().await {
                Ok(news) => news,
                Err(end) => return end,
            };
            quiet = if news.is_empty() { quiet + 1 } else { 0 };
            if !news.is_empty() || quiet >= QUIET {
                quiet = 0;
                if !self.may().await {
                    return End::Told("the right to see this was withdrawn, or the session ended");
                }
                let text = if news.is_empty() { ":\n\n".to_owned() } else { news };
                if !self.send(text).await {
                    return End::Silent;
                }
            }
            tokio::select! {
                // Without a sender the repository is closed.
                woken = wakes.changed() => if woken.is_err() { return End::Silent },
                () = tokio::time::sleep(LOOK) => {}
                () = self.out.closed() => return End::Silent,
            }
        }
    }

    async fn send(&self, text: String) -> bool {
        tokio::time::timeout(PATIENCE, self.out.send(Ok(text.into()))).await.is_ok_and(|sent| sent.is_ok())
    }

    /// Whether the client may still see this.
    async fn may(&mut self) -> bool {
        let call = &mut self.call;
        call.now = crate::gate::now();
        match session::authenticate(&call.state, self.need, "GET", &call.headers, call.now).await {
            Ok(caller) => call.caller = caller,
            Err(_) => return false,
        }
        authorise(&self.call, self.need).await.is_ok()
    }

    /// What is new, as messages.
    async fn look(&mut self) -> Result<String, End> {
        let mut text = String::new();
        self.objects(&mut text).await?;
        if self.kinds.contains(EVENTS) {
            self.reports(&mut text).await?;
        }
        let since = self.begun.time.max(self.marks.time - OVERLAP);
        if self.kinds.contains(PHONES) {
            self.told_phones(since, &mut text).await?;
        }
        if self.kinds.contains(GATEWAYS) {
            self.told_gateways(since, &mut text).await?;
        }
        self.phones.retain(|_, at| *at > since);
        self.gateways.retain(|_, at| *at > since);
        Ok(text)
    }

    fn tell(&self, text: &mut String, event: &str, data: &Value) {
        let Marks { feed, event: number, time } = self.marks;
        text.push_str(&format!("id: {feed}-{number}-{time}\nevent: {event}\ndata: {data}\n\n"));
    }

    async fn objects(&mut self, text: &mut String) -> Result<(), End> {
        let db = Arc::clone(&self.call.state.db);
        let entries = db.feed(&self.call.network, self.marks.feed, ENTRIES).await?;
        if entries.first().is_some_and(|first| first.number != self.marks.feed + 1) {
            // What was to be told was forgotten.
            self.tell(text, "reset", &json!({"reason": "too long ago: read everything anew"}));
        }
        let last: BTreeMap<(&str, &str), i64> =
            entries.iter().map(|entry| ((entry.what.as_str(), entry.name.as_str()), entry.number)).collect();
        for entry in &entries {
            self.marks.feed = entry.number;
            // What changed several times is told once, as it is now.
            let newest = last.get(&(entry.what.as_str(), entry.name.as_str())) == Some(&entry.number);
            let Some(kind) = Kind::from_collection(&entry.what).filter(|_| newest) else { continue };
            if !self.kinds.contains(&entry.what) || self.name.as_ref().is_some_and(|name| *name != entry.name) {
                continue;
            }
            let network = if kind == Kind::Network { "" } else { self.call.network.as_str() };
            let found = db.objects_named(kind, network, std::slice::from_ref(&entry.name)).await?;
            let object = found.first().map(crate::objects::shown);
            self.tell(text, "object", &json!({"kind": entry.what, "name": entry.name, "object": object}));
        }
        Ok(())
    }

    async fn reports(&mut self, text: &mut String) -> Result<(), End> {
        let above = self.begun.event.max(self.marks.event - LATE);
        let query = EventQuery { above: Some(above), limit: ENTRIES, ..EventQuery::default() };
        let page = self.call.state.db.gateway_events(&self.call.network, &query).await?;
        for event in page.items {
            if !self.events.insert(event.id) {
                continue;
            }
            self.marks.event = self.marks.event.max(event.id);
            self.tell(text, "event", &gateways::shown_event(&event));
        }
        let late = self.marks.event - LATE;
        self.events.retain(|id| *id > late);
        Ok(())
    }

    async fn told_phones(&mut self, since: i64, text: &mut String) -> Result<(), End> {
        let phones = self.call.state.db.phones_since(&self.call.network, since, STATES).await?;
        if phones.len() >= STATES as usize {
            self.tell(text, "reset", &json!({"kind": PHONES, "reason": "too many at once: read them anew"}));
        }
        for phone in phones {
            let key = (phone.gateway.clone(), phone.imsi.clone());
            if self.phones.get(&key) == Some(&phone.told_at) {
                continue;
            }
            self.phones.insert(key, phone.told_at);
            self.marks.time = self.marks.time.max(phone.told_at);
            self.tell(text, "phone", &live::shown_phone(&phone, None));
        }
        Ok(())
    }

    async fn told_gateways(&mut self, since: i64, text: &mut String) -> Result<(), End> {
        let states = self.call.state.db.gateway_states_since(&self.call.network, since, STATES).await?;
        let ends = gateways::certificate_ends(&self.call, states.iter()).await?;
        for state in states {
            if self.gateways.get(&state.gateway) == Some(&state.seen_at) {
                continue;
            }
            self.gateways.insert(state.gateway.clone(), state.seen_at);
            self.marks.time = self.marks.time.max(state.seen_at);
            self.tell(text, "gateway", &gateways::shown_state(&state, ends.get(&state.gateway), crate::gate::now()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_stream_are_read_strictly() {
        assert_eq!(Marks::parse("1-2-3"), Some(Marks { feed: 1, event: 2, time: 3 }));
        for wrong in ["", "1-2", "1-2-3-4", "1--3", "-1-2-3", "a-b-c", "99999999999999999999-1-1"] {
            assert_eq!(Marks::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_there_is_can_be_watched() {
        assert!(kinds(None).unwrap().contains("networks") && kinds(None).unwrap().contains(PHONES));
        assert!(kinds(Some("phones,tiers")).unwrap().len() == 2);
        assert!(kinds(Some("tenants")).is_err() && kinds(Some("")).is_err());
    }

    #[test]
    fn nobody_takes_all_places() {
        let watchers = Arc::new(Watchers::default());
        let mut seats: Vec<Seat> = (0..OF_ONE).map(|_| watchers.place("ann").unwrap()).collect();
        assert!(watchers.place("ann").is_none() && watchers.place("bob").is_some());
        seats.pop();
        assert!(watchers.place("ann").is_some());
        drop(seats);
        assert!(watchers.0.lock().unwrap().is_empty());
    }
}
