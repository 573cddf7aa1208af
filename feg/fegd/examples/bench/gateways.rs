//! Gateways' streams: as many requests as are answered, or so many a second.

use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

const STREAMS: u64 = 4;
/// Requests of a stream that wait.
const WINDOW: usize = 256;
/// Before a flood is measured, and before a round at a steady pace.
const WARM_UP: Duration = Duration::from_secs(1);
const SHORT_WARM_UP: Duration = Duration::from_millis(250);
/// Between two looks at what is due, at a steady pace: what the generator is late by on average is half of it.
const TICK: Duration = Duration::from_micros(250);

/// What came of a flood.
pub struct Full {
    pub rate: f64,
    pub per_core: f64,
}

/// What came of a steady pace; times in microseconds.
pub struct Half {
    /// Answers each second.
    pub rate: f64,
    /// All requests, those before anything was measured as well.
    pub asked: usize,
    pub p50: f64,
    pub p99: f64,
    /// How late the generator itself was.
    pub late_p99: f64,
}

/// As many requests as are answered.
pub fn flood(to: SocketAddr, time: Duration, cpu: impl Fn() -> Duration) -> Full {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let answered = Arc::new(AtomicU64::new(0));
        for number in 0..STREAMS {
            let (mut stream, answered) = (Stream::connect(to, number).await, Arc::clone(&answered));
            tokio::spawn(async move {
                for _ in 0..WINDOW {
                    stream.ask().await;
                }
                loop {
                    assert!(stream.answer().await, "vectors");
                    stream.ask().await;
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
        tokio::time::sleep(WARM_UP).await;
        let (begin, used, before) = (Instant::now(), cpu(), answered.load(Relaxed));
        tokio::time::sleep(time).await;
        let count = (answered.load(Relaxed) - before) as f64;
        Full { rate: count / begin.elapsed().as_secs_f64(), per_core: count / (cpu() - used).as_secs_f64() }
    })
}

/// So many requests a second over all streams, whatever becomes of them: an open loop. A request's time begins when it was due, whether
/// or not the generator came to it by then.
pub fn pace(to: SocketAddr, rate: f64, time: Duration, life: u64) -> Half {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut streams = Vec::new();
        for number in 0..STREAMS {
            streams.push(Stream::connect(to, life * STREAMS + number).await);
        }
        let (begin, ticks) = (Instant::now(), ticks());
        let streams = streams.into_iter().map(|stream| {
            let rate = rate / STREAMS as f64;
            tokio::spawn(paced(stream, ticks.clone(), begin, rate, time))
        });
        let (mut times, mut late) = (Vec::new(), Vec::new());
        for stream in streams.collect::<Vec<_>>() {
            let (some, lateness) = stream.await.unwrap();
            times.extend(some);
            late.extend(lateness);
        }
        let rate = times.len() as f64 / time.as_secs_f64();
        let (p50, p99, late_p99) = (at(&mut times, 0.5), at(&mut times, 0.99), at(&mut late, 0.99));
        Half { rate, asked: late.len(), p50, p99, late_p99 }
    })
}

/// One stream's part of it: from due to answered, and from due to sent, microseconds.
async fn paced(
    stream: Stream,
    mut ticks: watch::Receiver<()>,
    begin: Instant,
    rate: f64,
    time: Duration,
) -> (Vec<f64>, Vec<f64>) {
    let Stream { send, mut receive, .. } = stream;
    let sending = tokio::spawn(async move {
        let (mut number, mut late) = (0u64, Vec::new());
        while begin.elapsed() < SHORT_WARM_UP + time {
            ticks.changed().await.unwrap();
            let now = begin.elapsed();
            while number as f64 / rate <= now.as_secs_f64() {
                let due = Duration::from_secs_f64(number as f64 / rate);
                // When it is due is its number.
                let id = u64::try_from(due.as_nanos()).unwrap();
                late.push((begin.elapsed() - due).as_secs_f64() * 1e6);
                send.send(request(id, number)).await.unwrap();
                number += 1;
            }
        }
        late
    });
    let mut times = Vec::new();
    while begin.elapsed() < SHORT_WARM_UP + time {
        let next = tokio::time::timeout(Duration::from_secs(1), receive.message()).await;
        let Ok(Ok(Some(message))) = next else { continue };
        let Some(api::to_gateway::Message::Answer(answer)) = message.message else { continue };
        assert!(matches!(answer.kind, Some(api::answer::Kind::Vectors(_))), "{:?}", answer.kind);
        let due = Duration::from_nanos(answer.id);
        if due >= SHORT_WARM_UP {
            times.push((begin.elapsed() - due).as_secs_f64() * 1e6);
        }
    }
    (times, sending.await.unwrap())
}

/// Tells when it is time to look: the runtime's own timers do so each millisecond at most. Its thread ends with the last who listens.
fn ticks() -> watch::Receiver<()> {
    let (tell, told) = watch::channel(());
    std::thread::spawn(move || {
        while tell.send(()).is_ok() {
            std::thread::sleep(TICK);
        }
    });
    told
}

fn at(values: &mut [f64], share: f64) -> f64 {
    assert!(!values.is_empty(), "a whole round had no answer: what is measured stands still, or the machine does");
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

struct Stream {
    send: mpsc::Sender<api::FromGateway>,
    receive: Streaming<api::ToGateway>,
    next: u64,
}

impl Stream {
    async fn connect(to: SocketAddr, number: u64) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{to}")).unwrap();
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let (send, receiver) = mpsc::channel(4096);
        let hello = api::Hello { gateway: format!("mast{number}"), life: number + 1, ..api::Hello::default() };
        let hello = api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) };
        send.send(hello).await.unwrap();
        let receive =
            FederationClient::new(channel).converse(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        // Numbers that no request of a steady pace has.
        let mut stream = Self { send, receive, next: 1 << 62 };
        stream.receive.message().await.unwrap();
        // Until the home network is there, it is asked once and again.
        loop {
            stream.ask().await;
            if stream.answer().await {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ask(&mut self) {
        self.next += 1;
        self.send.send(request(self.next, self.next)).await.unwrap();
    }

    /// Whether it is vectors.
    async fn answer(&mut self) -> bool {
        let message = self.receive.message().await.unwrap().unwrap().message.unwrap();
        let api::to_gateway::Message::Answer(answer) = message else { panic!("no answer: {message:?}") };
        matches!(answer.kind, Some(api::answer::Kind::Vectors(_)))
    }
}

fn request(id: u64, phone: u64) -> api::FromGateway {
    let kind = api::request::Kind::Authenticate(api::Authenticate { vectors: 3, immediate: true, resync: Vec::new() });
    let (imsi, visited) = (format!("99970{:010}", phone % 1_000_000), "001-01".to_owned());
    let request = api::Request { id, within_ms: 5_000, imsi, visited, kind: Some(kind), ..api::Request::default() };
    api::FromGateway { message: Some(api::from_gateway::Message::Request(request)) }
}
