//! Takes `?filter=a="b"` as people type it into curl.
//!
//! A query with a bare `"`, `<`, `>` or a character beyond ASCII is no URI, and the HTTP library answers 400 before anybody
//! here is asked. Prometheus and Alertmanager take it. So these bytes are escaped on their way in, in the query of a
//! request's first line and nowhere else: only what is read first on a connection, or first after something was written,
//! is looked at. A first line that comes in pieces is left as it is.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection whose queries are mended.
#[derive(Debug)]
pub(super) struct Lenient<S> {
    stream: S,
    /// Whether what is read next begins a request.
    at_head: bool,
    /// What was read and did not fit any more once it was escaped.
    pending: Vec<u8>,
}

impl<S> Lenient<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            at_head: true,
            pending: Vec::new(),
        }
    }
}

/// The bytes with the first line's query escaped; `None` where there is nothing to escape.
fn mended(read: &[u8]) -> Option<Vec<u8>> {
    let is_bare = |byte: &u8| matches!(byte, b'"' | b'<' | b'>' | 0x80..);
    let line = &read[..memchr::memchr(b'\n', read)?];
    let end = memchr::memrchr(b' ', line)?;
    let query = memchr::memchr(b'?', line).filter(|query| *query < end)?;
    if !line[end + 1..].starts_with(b"HTTP/1.") || !line[query..end].iter().any(is_bare) {
        return None;
    }
    let mut mended = read[..query].to_vec();
    for byte in &read[query..end] {
        if is_bare(byte) {
            mended.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            mended.push(*byte);
        }
    }
    mended.extend_from_slice(&read[end..]);
    Some(mended)
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.pending.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
            let read = &buffer.filled()[before..];
            if read.is_empty() || !std::mem::take(&mut this.at_head) {
                return Poll::Ready(Ok(()));
            }
            let Some(mended) = mended(read) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before);
            this.pending = mended;
        }
        let fits = this.pending.len().min(buffer.remaining());
        buffer.put_slice(&this.pending[..fits]);
        this.pending.drain(..fits);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.at_head = true;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.at_head = true;
        Pin::new(&mut this.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn only_the_query_of_a_first_line_is_escaped() {
        let check = |read: &str, want: &str| {
            let mended = mended(read.as_bytes()).unwrap_or_else(|| read.as_bytes().to_vec());
            assert_eq!(String::from_utf8(mended).unwrap(), want);
        };
        check(
            "GET /a?f=b=~\"c\"&d=<ü> HTTP/1.1\r\nx: \"y\"\r\n\r\n",
            "GET /a?f=b=~%22c%22&d=%3C%C3%BC%3E HTTP/1.1\r\nx: \"y\"\r\n\r\n",
        );
        for same in [
            "GET /a?b=%22 HTTP/1.1\r\n\r\n",
            "GET /\"a\" HTTP/1.1\r\n\r\n",
            "GET /a?b=\"c\" HTTP/1.1",
            "[{\"a?\": \"b\"}]\n",
            "",
        ] {
            check(same, same);
        }
    }

    #[tokio::test]
    async fn each_request_of_a_connection_is_mended_and_no_body_is() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut server = Lenient::new(server);
        let (line, mended) = ("GET /?\" HTTP/1.1\r\n\r\n", "GET /?%22 HTTP/1.1\r\n\r\n");
        let mut read = [0; 64];
        for (answered, want) in [(false, mended), (false, line), (true, mended)] {
            if answered {
                server.write_all(b"answer").await.unwrap();
            }
            client.write_all(line.as_bytes()).await.unwrap();
            let n = server.read(&mut read).await.unwrap();
            assert_eq!(&read[..n], want.as_bytes(), "{answered}");
        }
        // What does not fit once it is escaped comes with the next read.
        server.write_all(b"answer").await.unwrap();
        client.write_all(line.as_bytes()).await.unwrap();
        let n = server.read(&mut read[..line.len()]).await.unwrap();
        assert_eq!(n, line.len());
        let rest = server.read(&mut read[n..]).await.unwrap();
        assert_eq!(&read[..n + rest], mended.as_bytes());
    }
}
