//! `/render/alert/<fingerprint>.png` and `/render/query.png`, `.svg`: pictures for who follows a signed link.
//!
//! The signature stands for the right to see it: chats fetch pictures without any other. Everything in the address is
//! signed, and nothing is looked up or drawn before that is known.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::context::Context;
use super::errors::{self, ErrorKind};
use super::params::Params;
use crate::charts::alert::ChartError;
use crate::charts::pictures::query::{FRESH, Format, QueryAddress};
use crate::charts::pictures::{Address, PictureError};
use crate::charts::theme::Theme;
use crate::model::labels::Fingerprint;
use crate::model::signature::SignatureError;
use crate::model::timestamp::Timestamp;

/// What is drawn for a time that is over does not change, until samples are forgotten.
const CACHING: &str = "private, max-age=86400";
const PATH: &str = "/render/";

/// The picture of an alert at the time its link names.
pub async fn alert(
    State(context): State<Arc<Context>>,
    Path(file): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Response {
    match find(&context, &file, &params).await {
        Ok(png) => picture(&png, "image/png", CACHING, &headers),
        Err(error) => refused(&error),
    }
}

/// The picture of an expression at the time its link names, or now.
pub async fn query(
    State(context): State<Arc<Context>>,
    Path(file): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Response {
    let Some(format) = Format::of_file(&file) else {
        return errors::answer(PATH, ErrorKind::NotFound, "there is no such picture");
    };
    match find_query(&context, format, &params).await {
        Ok((drawn, is_fixed)) => {
            let caching = match is_fixed {
                true => CACHING.to_owned(),
                false => format!("private, max-age={}", FRESH.as_secs()),
            };
            picture(&drawn, format.media_type(), &caching, &headers)
        }
        Err(error) => refused(&error),
    }
}

async fn find_query(
    context: &Context,
    format: Format,
    params: &Params,
) -> Result<(Arc<[u8]>, bool), PictureError> {
    let wrong = || PictureError::Link(SignatureError::Wrong);
    let number = |name| params.get(name).map(str::parse::<i64>).transpose();
    let end = number("end").map_err(|_| wrong())?;
    let address = QueryAddress {
        expression: params.get("expr").ok_or_else(wrong)?.to_owned(),
        range_ms: number("range").map_err(|_| wrong())?.ok_or_else(wrong)?,
        end: end.map(Timestamp::from_millis),
        step_ms: number("step").map_err(|_| wrong())?,
        theme: Theme::parse(params.get("theme").unwrap_or_default()).map_err(|_| wrong())?,
        format,
    };
    let token = params.get("token").ok_or_else(wrong)?;
    let pictures = context.pictures.as_ref().ok_or(PictureError::Disabled)?;
    let drawn = pictures
        .of_query(address, token, context.clock.now())
        .await?;
    Ok((drawn, end.is_some()))
}

/// With a tag of its bytes: who has them gets none.
fn picture(bytes: &[u8], media_type: &'static str, caching: &str, headers: &HeaderMap) -> Response {
    let mut tag = String::from("\"");
    for byte in &Sha256::digest(bytes)[..8] {
        write!(tag, "{byte:02x}").expect("writing to a string cannot fail");
    }
    tag.push('"');
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok());
    let head = [(CACHE_CONTROL, caching.to_owned()), (ETAG, tag.clone())];
    if known.is_some_and(|known| known.contains(&tag)) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, [(CONTENT_TYPE, media_type)], bytes.to_vec()).into_response()
}

async fn find(context: &Context, file: &str, params: &Params) -> Result<Arc<[u8]>, PictureError> {
    // What is missing or malformed was not signed by us.
    let wrong = || PictureError::Link(SignatureError::Wrong);
    let millis = |name| {
        let value = params.get(name).and_then(|text| text.parse().ok());
        value.map(Timestamp::from_millis)
    };
    let fingerprint = file.strip_suffix(".png").and_then(Fingerprint::parse);
    let address = Address {
        fingerprint: fingerprint.ok_or_else(wrong)?,
        since: millis("since").ok_or_else(wrong)?,
        until: millis("until").ok_or_else(wrong)?,
        ended: millis("end"),
        rule: params.get("rule").ok_or_else(wrong)?,
    };
    let token = params.get("token").ok_or_else(wrong)?;
    let pictures = context.pictures.as_ref().ok_or(PictureError::Disabled)?;
    pictures.of_link(&address, token, context.clock.now()).await
}

fn refused(error: &PictureError) -> Response {
    let kind = match error {
        PictureError::Link(_) => ErrorKind::Forbidden,
        PictureError::Disabled | PictureError::NoRule | PictureError::Chart(ChartError::NoData) => {
            ErrorKind::NotFound
        }
        PictureError::Timeout => ErrorKind::Timeout,
        PictureError::Chart(ChartError::Evaluation(_)) | PictureError::Query(_) => {
            ErrorKind::Execution
        }
        PictureError::Paint(_) | PictureError::Database(_) | PictureError::Panicked => {
            tracing::error!(%error, "draw a picture");
            return errors::answer(PATH, ErrorKind::Internal, "the picture cannot be drawn");
        }
    };
    errors::answer(PATH, kind, &error.to_string())
}
