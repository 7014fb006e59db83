//! The listener: bounded connections, header and idle time-outs, a drain at the end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::tasks::{Stop, Tasks};

use super::lenient::Lenient;
use super::metrics::Metrics;

/// Connections open at a time, where the settings say nothing.
pub const MAX_CONNECTIONS: usize = 4096;
/// Descriptors for everything else: files, targets, receivers, the database.
const OTHER_DESCRIPTORS: u64 = 256;
/// How long a client may take to send a request's head, and may keep an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Asks the system for as many descriptors as this many connections need; returns how many connections it has room for.
#[cfg(unix)]
pub fn make_room(most: usize) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = u64::try_from(most)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_DESCRIPTORS);
    let mut limit = getrlimit(Resource::Nofile);
    let enough = |current: Option<u64>| current.is_none_or(|current| current >= wanted);
    if !enough(limit.current) {
        let before = limit;
        limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "raise the limit of open files");
            limit = before;
        }
    }
    let Some(current) = limit.current.filter(|current| *current < wanted) else {
        return most;
    };
    let room = current
        .saturating_sub(OTHER_DESCRIPTORS)
        .max(current / 2)
        .max(1);
    let room = usize::try_from(room).unwrap_or(most).min(most);
    tracing::info!(
        connections = room,
        limit = current,
        "fewer connections are taken than web.max_connections: the limit of open files"
    );
    room
}

/// As many as are wanted: nobody knows of a limit.
#[cfg(not(unix))]
pub fn make_room(most: usize) -> usize {
    most
}

/// Serves until told to stop; then no new connection is taken and open requests are finished.
pub async fn serve(
    listener: TcpListener,
    most: usize,
    router: Router,
    metrics: Metrics,
    tasks: Tasks,
    stop: Stop,
) {
    let slots = Arc::new(Semaphore::new(most));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, usually: give open connections time to end.
                tracing::warn!(%error, "accept connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            metrics.connections_refused.inc();
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "set TCP_NODELAY");
        }
        // Handlers see whom they talk to. A layer would build every route anew for each connection.
        let routes = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(from));
            routes.call(request)
        });
        let (metrics, stop) = (metrics.clone(), stop.clone());
        tasks.spawn("connection", async move {
            metrics.connections.inc();
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(Lenient::new(stream)), service);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
            metrics.connections.dec();
            drop(slot);
        });
    }
}
