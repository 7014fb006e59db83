//! Signals from the system.

use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    /// SIGHUP: load the configuration again.
    Reload,
    /// SIGTERM or SIGINT: end.
    Stop(&'static str),
}

#[derive(Debug)]
pub(super) struct Signals {
    hangup: Listener,
    terminate: Listener,
    interrupt: Listener,
}

impl Signals {
    pub(super) fn install() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.terminate.recv() => Signal::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT"),
        }
    }
}
