//! A file of map tiles (PMTiles, version 3) for the console's map, read in ranges (RFC 9110 §14) so that browsers fetch only the
//! tiles that they show. Nothing is fetched from elsewhere; without a file there is no map, and the console draws the network plainly.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Where it is found.
pub(crate) const PATH: &str = "/map.pmtiles";
/// Octets of one answer: tiles and directories are smaller.
const MOST: u64 = 4 << 20;

/// A part of the file; the beginning of it, when the request names none.
pub(crate) async fn answer(file: Option<std::sync::Arc<Path>>, headers: HeaderMap) -> Response<Body> {
    let Some(file) = file else { return refuse(StatusCode::NOT_FOUND) };
    let wanted = headers.get(header::RANGE).and_then(|told| told.to_str().ok()).map_or(Some((0, MOST - 1)), range);
    let Some((from, to)) = wanted else { return refuse(StatusCode::RANGE_NOT_SATISFIABLE) };
    let read = tokio::task::spawn_blocking(move || part(&file, from, to)).await;
    match read {
        Ok(Ok((octets, all))) if !octets.is_empty() => {
            let last = from + octets.len() as u64 - 1;
            let mut response = Response::new(Body::from(octets));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, header::CONTENT_TYPE, "application/vnd.pmtiles");
            set(&mut response, header::CONTENT_RANGE, &format!("bytes {from}-{last}/{all}"));
            set(&mut response, header::CACHE_CONTROL, "private, max-age=3600");
            set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
            response
        }
        Ok(Ok(_)) => refuse(StatusCode::RANGE_NOT_SATISFIABLE),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the map's tiles cannot be read");
            refuse(StatusCode::NOT_FOUND)
        }
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// One range from a place: `bytes=FROM-TO` or `bytes=FROM-`; no list, no end of the file.
fn range(told: &str) -> Option<(u64, u64)> {
    let (from, to) = told.strip_prefix("bytes=")?.split_once('-')?;
    let from: u64 = from.parse().ok()?;
    let most = from.checked_add(MOST - 1)?;
    let to = if to.is_empty() { most } else { to.parse::<u64>().ok()?.min(most) };
    (from <= to).then_some((from, to))
}

fn part(file: &Path, from: u64, to: u64) -> std::io::Result<(Vec<u8>, u64)> {
    let mut file = std::fs::File::open(file)?;
    let all = file.metadata()?.len();
    file.seek(SeekFrom::Start(from))?;
    let mut octets = Vec::new();
    file.take(to - from + 1).read_to_end(&mut octets)?;
    Ok((octets, all))
}

fn refuse(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn set(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    async fn get(file: &Path, range: &str) -> (StatusCode, String, Vec<u8>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        let response = answer(Some(file.into()), headers).await;
        let told = response.headers().get(header::CONTENT_RANGE).map_or("", |it| it.to_str().unwrap()).to_owned();
        let status = response.status();
        (status, told, axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
    }

    #[tokio::test]
    async fn parts_are_given_and_what_is_not_there_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("map.pmtiles");
        std::fs::write(&file, b"PMTiles\x03tiles").unwrap();
        let whole = (StatusCode::PARTIAL_CONTENT, "bytes 0-6/13".to_owned(), b"PMTiles".to_vec());
        assert_eq!(get(&file, "bytes=0-6").await, whole);
        assert_eq!(get(&file, "bytes=8-").await.2, b"tiles");
        assert_eq!(get(&file, "bytes=10-999").await.1, "bytes 10-12/13");
        for wrong in ["bytes=13-20", "bytes=5-4", "bytes=-5", "bytes=a-b", "bytes=18446744073709551615-", "lines=1-2"] {
            assert_eq!(get(&file, wrong).await.0, StatusCode::RANGE_NOT_SATISFIABLE, "{wrong}");
        }
        assert_eq!(get(&folder.path().join("none"), "bytes=0-6").await.0, StatusCode::NOT_FOUND);
        assert_eq!(answer(None, HeaderMap::new()).await.status(), StatusCode::NOT_FOUND);
    }
}
