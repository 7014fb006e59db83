//! Parameters of a request: the query string, and for POST the form as well, as Prometheus merges them.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;

use crate::model::duration;
use crate::model::timestamp::Timestamp;

use super::errors::{ApiError, ErrorKind};

const FORM: &str = "application/x-www-form-urlencoded";
/// How long a client may take to send its form.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The farthest time from 1970, in milliseconds either way, so that sums and differences of two cannot overflow.
const FARTHEST_MS: i64 = i64::MAX / 4;
/// The longest duration, as in Prometheus: what its 64-bit nanoseconds hold, some 292 years.
const LONGEST: Duration = Duration::from_nanos(i64::MAX.cast_unsigned());

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
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case(FORM));
        let mut pairs = Vec::new();
        if is_form {
            let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state));
            let body = body.await.map_err(|_| {
                ApiError::new(ErrorKind::TooSlow, "the form took too long to arrive")
            })?;
            let body = body.map_err(|error| {
                if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    ApiError::new(ErrorKind::TooLarge, "the form is larger than 4 MiB")
                } else {
                    ApiError::new(ErrorKind::BadData, "the form ended too early")
                }
            })?;
            pairs.extend(url::form_urlencoded::parse(&body).into_owned());
        }
        pairs.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
        Ok(Self(pairs))
    }
}

impl Params {
    /// Those of a query string.
    pub fn of_query(query: &str) -> Self {
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The first value of a parameter; empty counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(candidate, _)| candidate == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All of them, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
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
    // Prometheus's clients write its earliest and latest time where they mean no bound: beyond ours is as far as ours.
    let clamped =
        |time: Timestamp| Timestamp::from_millis(time.millis().clamp(-FARTHEST_MS, FARTHEST_MS));
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        let farthest = FARTHEST_MS as f64 / 1000.0;
        return Ok(clamped(Timestamp::from_seconds(
            seconds.clamp(-farthest, farthest),
        )));
    }
    match text {
        // Year numbers with more digits than RFC 3339 has.
        "-292273086-05-16T16:47:06Z" => Ok(Timestamp::from_millis(-FARTHEST_MS)),
        "292277025-08-18T07:12:54.999999999Z" => Ok(Timestamp::from_millis(FARTHEST_MS)),
        _ => Timestamp::parse_rfc3339(text).map(clamped).map_err(|_| {
            format!(
                "cannot parse {text:?} to a valid timestamp; write seconds since the epoch or RFC 3339"
            )
        }),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("cannot parse {text:?} to a valid duration");
    let duration = match text.parse::<f64>() {
        // Negative steps are refused with Prometheus's own words further on.
        Ok(seconds) if seconds < 0.0 => Duration::ZERO,
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?,
        Err(_) => duration::parse(text).map_err(|_| wrong())?,
    };
    if duration > LONGEST {
        return Err(format!("{}. It overflows int64", wrong()));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Params(pairs.iter().map(pair).collect())
    }

    #[test]
    fn times_are_seconds_or_rfc_3339_and_never_too_far_to_add_up() {
        let check = |text: &str, want: Option<i64>| {
            let found = params(&[("time", text)]).time("time");
            assert_eq!(
                found.ok().flatten().map(|time| time.millis()),
                want,
                "{text}"
            );
        };
        check("0", Some(0));
        check("1435781430.781", Some(1_435_781_430_781));
        check("-1.5", Some(-1500));
        check("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781));
        check("9e300", Some(FARTHEST_MS));
        check("-9e15", Some(-FARTHEST_MS));
        check("-292273086-05-16T16:47:06Z", Some(-FARTHEST_MS));
        check("292277025-08-18T07:12:54.999999999Z", Some(FARTHEST_MS));
        check("", None);
        for wrong in ["now", "inf", "NaN", "1h"] {
            assert!(params(&[("t", wrong)]).time("t").is_err(), "{wrong}");
        }
        assert!(params(&[]).required_time("start").is_err());
        assert!(FARTHEST_MS.checked_sub(-FARTHEST_MS).is_some());
    }

    #[test]
    fn durations_are_seconds_or_in_prometheus_notation() {
        let check = |text: &str, want: Option<Duration>| {
            let found = params(&[("step", text)]).duration("step");
            assert_eq!(found.ok().flatten(), want, "{text}");
        };
        check("15", Some(Duration::from_secs(15)));
        check("0.25", Some(Duration::from_millis(250)));
        check("1h30m", Some(Duration::from_secs(5400)));
        check("-5", Some(Duration::ZERO));
        for wrong in ["9e15", "inf", "NaN", "1 h", "x"] {
            assert!(params(&[("t", wrong)]).duration("t").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_a_whole_number() {
        assert_eq!(params(&[]).limit().unwrap(), 0);
        assert_eq!(params(&[("limit", "7")]).limit().unwrap(), 7);
        assert!(params(&[("limit", "-1")]).limit().is_err());
        assert!(params(&[("limit", "many")]).limit().is_err());
    }

    #[tokio::test]
    async fn a_form_comes_before_the_query_string_and_other_bodies_are_not_read() {
        let read = async |content_type: &str| {
            let request = Request::post("/?query=b&match%5B%5D=c")
                .header(CONTENT_TYPE, content_type)
                .body(Body::from("query=a+%2B+1&match%5B%5D=d"))
                .unwrap();
            Params::from_request(request, &()).await.unwrap()
        };
        for form in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-URLencoded; charset=utf-8",
        ] {
            let params = read(form).await;
            assert_eq!(params.get("query"), Some("a + 1"), "{form}");
            assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["d", "c"]);
        }
        let params = read("application/json").await;
        assert_eq!(params.get("query"), Some("b"));
    }
}
