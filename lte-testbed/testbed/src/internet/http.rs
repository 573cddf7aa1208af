//! A small HTTP/1.1 server: enough for `curl` and for measuring downloads.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest request head.
const HEAD: usize = 8192;
/// Largest download.
const LARGEST: u64 = 100 << 30;

/// Answers requests on one connection until the peer has no more.
pub async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(HEAD);
    while let Some(head) = read_head(&mut stream, &mut buffer).await? {
        let Some(request) = Request::parse(&head) else {
            return respond(&mut stream, "400 Bad Request", "what?\n").await;
        };
        let body_here = buffer.len().min(usize::try_from(request.body).unwrap_or(usize::MAX));
        buffer.drain(..body_here);
        discard(&mut stream, request.body - body_here as u64).await?;
        match (request.method, request.download()) {
            ("GET" | "HEAD", Some(length)) => download(&mut stream, length, request.method == "HEAD").await?,
            ("GET", None) if request.path == "/" => respond(&mut stream, "200 OK", "hello, phone\n").await?,
            ("POST" | "PUT", _) => respond(&mut stream, "200 OK", &format!("{} octets\n", request.body)).await?,
            _ => respond(&mut stream, "404 Not Found", "try / or /bytes/1000000\n").await?,
        }
    }
    Ok(())
}

/// The parts of a request that matter here.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    /// Content-Length.
    body: u64,
}

impl<'a> Request<'a> {
    fn parse(head: &'a str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, path) = (first.next()?, first.next()?);
        let lengths = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())
        });
        let body = lengths.last().unwrap_or(Some(0))?;
        Some(Self { method, path, body })
    }

    fn download(&self) -> Option<u64> {
        self.path.strip_prefix("/bytes/")?.parse().ok().filter(|length| *length <= LARGEST)
    }
}

/// Reads up to the empty line; what came behind it stays in `buffer`. `None` at the end of the connection.
async fn read_head(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 4);
            return Ok(Some(head));
        }
        if buffer.len() >= HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

async fn discard(stream: &mut (impl AsyncRead + Unpin), length: u64) -> io::Result<()> {
    tokio::io::copy(&mut stream.take(length), &mut tokio::io::sink()).await.map(drop)
}

async fn download(stream: &mut (impl AsyncWrite + Unpin), length: u64, head_only: bool) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let block = vec![0x42; 65536];
    let mut left = if head_only { 0 } else { length };
    while left > 0 {
        let part = left.min(block.len() as u64);
        stream.write_all(&block[..part as usize]).await?;
        left -= part;
    }
    Ok(())
}

async fn respond(stream: &mut (impl AsyncWrite + Unpin), status: &str, text: &str) -> io::Result<()> {
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn talk(request: &str) -> String {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let served = tokio::spawn(serve(server));
        client.write_all(request.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let _ = served.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn downloads_uploads_and_pipelines() {
        let answer = talk(
            "GET /bytes/3 HTTP/1.1\r\nHost: x\r\n\r\nPOST /up HTTP/1.1\r\nContent-length: 4\r\n\r\nabcdGET / HTTP/1.1\r\n\r\n",
        )
        .await;
        assert!(answer.contains("Content-Length: 3\r\n\r\nBBB"), "{answer}");
        assert!(answer.contains("4 octets"), "{answer}");
        assert!(answer.ends_with("hello, phone\n"), "{answer}");
    }

    #[tokio::test]
    async fn nonsense_is_answered_and_endless_heads_are_not() {
        assert!(talk("nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        assert!(talk("GET /none HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404"));
        assert_eq!(talk(&"x".repeat(HEAD + 1)).await, "");
    }
}
