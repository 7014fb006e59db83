//! `/api-docs`: Swagger UI, out of the binary, showing the document of this Outrigger.

use std::io::Read as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::read::GzDecoder;
use utoipa_swagger_ui::{Config, SwaggerFile};

use crate::http::compression::accepts_gzip;
use crate::http::context::Context;
use crate::http::errors::{self, ErrorKind};

/// What its pages may do beyond others: run its own scripts and ask this API. Nothing is written into a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Arc<Context>> {
    let to_folder = || async { (StatusCode::PERMANENT_REDIRECT, [(LOCATION, "/api-docs/")]) };
    Router::new()
        .route("/api-docs", get(to_folder))
        .route(
            "/api-docs/",
            get(|request: Request| async move { file("", &request) }),
        )
        .route(
            "/api-docs/{file}",
            get(|Path(name): Path<String>, request: Request| async move { file(&name, &request) }),
        )
}

fn file(name: &str, request: &Request) -> Response {
    // Relative, so that it is found below a prefix as well; no other host checks the document.
    let config = Config::from("../openapi.json").validator_url("none");
    match utoipa_swagger_ui::serve(name, Arc::new(config)) {
        Ok(Some(file)) => answer(file, accepts_gzip(request.headers())),
        Ok(None) => {
            let path = request.uri().path();
            errors::answer(path, ErrorKind::NotFound, "there is no such page")
        }
        Err(error) => {
            tracing::error!(error = %error, "give out a file of Swagger UI");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Most files are in the binary as gzip, and go out so; who does not take that is given them unpacked.
fn answer(file: SwaggerFile<'static>, accepts_gzip: bool) -> Response {
    let packed = file.gzpipped;
    let mut bytes = file.bytes.into_owned();
    if packed && !accepts_gzip {
        let mut plain = Vec::new();
        if let Err(error) = GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain) {
            tracing::error!(%error, "unpack a file of Swagger UI");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        bytes = plain;
    }
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::try_from(file.content_type) {
        headers.insert(CONTENT_TYPE, kind);
    }
    if packed {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if packed && accepts_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
