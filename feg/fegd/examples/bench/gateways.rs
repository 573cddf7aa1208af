//! Gateways' streams: as many requests as are answered, or so many a second.

use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

const STREAMS: usize = 4;
/// Requests of a stream that wait.
const WINDOW: usize = 256;
/// Before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// What came of a flood.
pub struct Full {
    pub rate: f64,
    pub per_core: f64,
}

/// What came of a steady pace.
pub struct Half {
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
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
                    stream.answer().await;
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

/// So many requests a second, whatever becomes of them.
pub fn pace(to: SocketAddr, rate: f64, time: Duration) -> Half {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Stream { send, mut receive, .. } = Stream::connect(to, STREAMS).await;
        let begin = Instant::now();
        tokio::spawn(async move {
            let (mut number, mut ticks) = (0u64, tokio::time::interval(Duration::from_millis(1)));
            while begin.elapsed() < WARM_UP + time {
                ticks.tick().await;
                let due = (begin.elapsed().as_secs_f64() * rate) as u64;
                while number < due {
                    // When it is asked is its number.
                    let at = u64::try_from(begin.elapsed().as_nanos()).unwrap();
                    send.send(request(at, number)).await.unwrap();
                    number += 1;
                }
            }
        });
        let mut times = Vec::new();
        while let Ok(Some(message)) = receive.message().await {
            let Some(api::to_gateway::Message::Answer(answer)) = message.message else { continue };
            assert!(matches!(answer.kind, Some(api::answer::Kind::Vectors(_))), "{:?}", answer.kind);
            let asked = Duration::from_nanos(answer.id);
            if asked >= WARM_UP {
                times.push((begin.elapsed() - asked).as_secs_f64() * 1e6);
            }
            if begin.elapsed() >= WARM_UP + time {
                break;
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        Half { rate: times.len() as f64 / time.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
    })
}

struct Stream {
    send: mpsc::Sender<api::FromGateway>,
    receive: Streaming<api::ToGateway>,
    next: u64,
}

impl Stream {
    async fn connect(to: SocketAddr, number: usize) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{to}")).unwrap();
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let (send, receiver) = mpsc::channel(4096);
        let hello = api::Hello { gateway: format!("mast{number}"), life: number as u64 + 1, ..api::Hello::default() };
        let hello = api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) };
        send.send(hello).await.unwrap();
        let receive =
            FederationClient::new(channel).converse(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        let mut stream = Self { send, receive, next: 0 };
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
    let request = api::Request { id, within_ms: 5_000, imsi, visited, kind: Some(kind) };
    api::FromGateway { message: Some(api::from_gateway::Message::Request(request)) }
}
