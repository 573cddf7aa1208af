//! Where octets come from: TCP in production, a simulated network in tests.

use async_trait::async_trait;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(15);
/// A connection that is watched is silent so long before it is asked, then asked so often, so many times; what was sent may wait for its
/// acknowledgement as long as all of that.
const QUIET: Duration = Duration::from_secs(4);
const AGAIN: Duration = Duration::from_secs(2);
const TIMES: u32 = 2;
const UNACKNOWLEDGED: Duration = Duration::from_secs(8);

/// Opens connections.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    /// As the network says.
    async fn dial(&self, address: &str) -> io::Result<Self::Io>;

    /// Has the network notice within 8 s when the other side of a connection is gone without a word. No more than the network can do.
    ///
    /// # Errors
    /// As the network says.
    fn watch(&self, _: &Self::Io) -> io::Result<()> {
        Ok(())
    }
}

/// TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDial;

#[async_trait]
impl Dial for TcpDial {
    type Io = TcpStream;

    async fn dial(&self, address: &str) -> io::Result<TcpStream> {
        let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(address));
        let stream = stream.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn watch(&self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(QUIET).with_interval(AGAIN).with_retries(TIMES))?;
        // RFC 5482: keepalives do not run while something is unacknowledged.
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_connection_is_watched_where_there_is_another_place_to_go_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stream = TcpDial.dial(&address).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(!socket.keepalive().unwrap(), "an idle gateway of one place sends no segment for it");
        TcpDial.watch(&stream).unwrap();
        let noticed = socket.tcp_keepalive_time().unwrap() + socket.tcp_keepalive_interval().unwrap() * TIMES;
        assert!(socket.keepalive().unwrap() && noticed <= Duration::from_secs(8), "{noticed:?}");
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}
