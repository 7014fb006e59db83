//! Parameters of a request: the query string, and for POST the form as well, as Prometheus merges them.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;

use crate::model::duration;
use crate::model::timestamp::Timestamp;

use super::errors::{ApiError, ErrorKind};

/// The parameters, in the order given; a form's come before the query string's.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let is_form = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let mut pairs = Vec::new();
        if is_form {
            let body = Bytes::from_request(request, state).await.map_err(|error| {
                ApiError::new(ErrorKind::BadData, format!("read form: {error}"))
            })?;
            pairs.extend(url::form_urlencoded::parse(&body).into_owned());
        }
        pairs.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
        Ok(Self(pairs))
    }
}

impl Params {
    /// The first value of a parameter; empty counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(candidate, _)| candidate == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
    }

    /// A time: seconds since the epoch or RFC 3339.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.get(name)
            .map(|text| parse_time(text).map_err(|error| ApiError::parameter(name, error)))
            .transpose()
    }

    /// A time that must be given.
    ///
    /// # Errors
    /// Where it is absent or no time.
    pub fn required_time(&self, name: &str) -> Result<Timestamp, ApiError> {
        match self.time(name)? {
            Some(time) => Ok(time),
            None => Err(ApiError::parameter(
                name,
                "cannot parse \"\" to a valid timestamp",
            )),
        }
    }

    /// A duration: seconds or Prometheus's notation.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>, ApiError> {
        self.get(name)
            .map(|text| parse_duration(text).map_err(|error| ApiError::parameter(name, error)))
            .transpose()
    }

    /// A whole number; 0 where absent.
    ///
    /// # Errors
    /// Where it is none.
    pub fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else {
            return Ok(0);
        };
        text.parse()
            .map_err(|_| ApiError::parameter("limit", format!("{text:?} is not a whole number")))
    }
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        if seconds.abs() * 1000.0 >= i64::MAX as f64 {
            return Err(format!(
                "cannot parse {text:?} to a valid timestamp: out of range"
            ));
        }
        return Ok(Timestamp::from_seconds(seconds));
    }
    Timestamp::parse_rfc3339(text).map_err(|_| {
        format!(
            "cannot parse {text:?} to a valid timestamp; write seconds since the epoch or RFC 3339"
        )
    })
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).or_else(|_| {
            // Negative steps are refused with Prometheus's own words further on.
            if seconds < 0.0 {
                Ok(Duration::ZERO)
            } else {
                Err(format!("cannot parse {text:?} to a valid duration"))
            }
        });
    }
    duration::parse(text).map_err(|_| format!("cannot parse {text:?} to a valid duration"))
}
