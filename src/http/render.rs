//! `/render/alert/<fingerprint>.png`: pictures for who follows a signed link in a message.
//!
//! The signature stands for the right to see it: chats fetch pictures without any other. Everything in the address is
//! signed, and nothing is looked up or drawn before that is known.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::context::Context;
use super::errors::{self, ErrorKind};
use super::params::Params;
use crate::charts::alert::ChartError;
use crate::charts::pictures::{Address, PictureError};
use crate::model::labels::Fingerprint;
use crate::model::signature::SignatureError;
use crate::model::timestamp::Timestamp;

/// What is drawn for a time that is over does not change, until samples are forgotten.
const CACHING: &str = "private, max-age=86400";
const PATH: &str = "/render/alert/";

/// The picture of an alert at the time its link names.
pub async fn alert(
    State(context): State<Arc<Context>>,
    Path(file): Path<String>,
    params: Params,
) -> Response {
    match find(&context, &file, &params).await {
        Ok(png) => (
            [(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, CACHING)],
            png.to_vec(),
        )
            .into_response(),
        Err(error) => refused(&error),
    }
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
        PictureError::Chart(ChartError::Evaluation(_)) => ErrorKind::Execution,
        PictureError::Paint(_) | PictureError::Database(_) | PictureError::Panicked => {
            tracing::error!(%error, "draw the picture of an alert");
            return errors::answer(PATH, ErrorKind::Internal, "the picture cannot be drawn");
        }
    };
    errors::answer(PATH, kind, &error.to_string())
}
