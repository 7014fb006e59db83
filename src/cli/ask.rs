//! Questions to a running Outrigger.

use std::time::Duration;

use serde_json::Value;

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 256 << 20;
const TIMEOUT: Duration = Duration::from_secs(150);

/// A running Outrigger.
pub(super) struct Server {
    address: String,
    client: reqwest::Client,
}

/// Waits for an answer.
///
/// # Errors
/// That of the question, or where the runtime does not start.
pub(super) fn wait<T>(question: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::anyhow!("start the runtime: {error}"))?;
    runtime.block_on(question)
}

impl Server {
    /// The one at an address, `http://` being understood.
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        crate::app::install_crypto();
        let address = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        Ok(Self {
            address: address.trim_end_matches('/').to_owned(),
            client: reqwest::Client::builder().timeout(TIMEOUT).build()?,
        })
    }

    /// The JSON that a path answers to a form.
    pub(super) async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> anyhow::Result<Value> {
        let request = self
            .client
            .post(format!("{}{path}", self.address))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded(pairs));
        answer(request).await
    }

    /// The JSON that a path answers to JSON.
    pub(super) async fn post_json(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self
            .client
            .post(format!("{}{path}", self.address))
            .header("content-type", "application/json")
            .body(body.to_string());
        answer(request).await
    }

    /// The JSON that a path answers to a query string.
    pub(super) async fn get(&self, path: &str, pairs: &[(&str, &str)]) -> anyhow::Result<Value> {
        let address = format!("{}{path}?{}", self.address, encoded(pairs));
        answer(self.client.get(address)).await
    }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => {
            let source = std::iter::successors(std::error::Error::source(&error), |e| e.source());
            let reason = source.last().map_or_else(String::new, ToString::to_string);
            anyhow::bail!("{reason}; is Outrigger running there? --url names another address");
        }
        Err(error) => return Err(error.without_url().into()),
    };
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        anyhow::ensure!(
            answer.len() + chunk.len() <= MAX_ANSWER_BYTES,
            "the answer is larger than 256 MiB"
        );
        answer.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&answer).map_err(|_| {
        anyhow::anyhow!(
            "the answer is not JSON (status {}): is this Outrigger?",
            response.status()
        )
    })
}
