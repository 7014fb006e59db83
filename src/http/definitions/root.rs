//! `GET /api/v1`: what there is.

use axum::Json;
use serde_json::{Value, json};

pub(super) async fn root() -> Json<Value> {
    Json(json!({
        "version": "v1",
        "status": "stable",
        "endpoints": {
            "metrics": "/api/v1/metrics",
            "domains": "/api/v1/domains",
            "objectives": "/api/v1/objectives",
            "policies": "/api/v1/policies",
            "stats": "/api/v1/stats",
            "search": "/api/v1/search",
            "import": "/api/v1/import",
            "export": "/api/v1/export",
            "bulk": "/api/v1/bulk/{metrics,domains,objectives}",
            "audit": "/api/v1/audit",
        },
        "documentation": "/api-docs",
    }))
}
