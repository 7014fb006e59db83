//! A file of routing tests: the routing it is about, limits, and the tests.

use std::path::Path;
use std::sync::Arc;

use crate::alerts::limits;
use crate::alerts::route::Routing;
use crate::alerts::route_test::file::{self as tests, RouteTest};
use crate::document;
use crate::document::diagnostics::Diagnostic;
use crate::document::diagnostics::Diagnostics;
use crate::document::fields::Fields;
use crate::model::timestamp::Timestamp;

use super::{files, routing};

/// A file of routing tests.
#[derive(Clone, Debug)]
pub struct RouteTests {
    /// Its name as shown in messages.
    pub name: String,
    /// The routing under test.
    pub routing: Arc<Routing>,
    /// The tests.
    pub tests: Vec<RouteTest>,
}

/// Reads a file of routing tests, and the routing it names.
///
/// # Errors
/// Every mistake in both.
pub fn load(path: &Path, now: Timestamp) -> Result<RouteTests, Vec<Diagnostic>> {
    let diagnostics = Diagnostics::default();
    let loaded = read(path, now, &diagnostics);
    let found = diagnostics.into_sorted();
    match loaded {
        Some(loaded) if found.is_empty() => Ok(loaded),
        _ => Err(found),
    }
}

fn read(path: &Path, now: Timestamp, diagnostics: &Diagnostics) -> Option<RouteTests> {
    let name = path.display().to_string();
    let text = files::read(path, diagnostics)?;
    let document = document::parse(&name, &text, diagnostics)?;
    let root = document.value(diagnostics).fields()?;
    let base = path.parent().unwrap_or(Path::new(""));
    let routing = read_routing(&root, base, now, diagnostics);
    let limits = limits::read(&root);
    let tests = tests::read(&root);
    if tests.is_empty() && diagnostics.is_empty() {
        root.value()
            .error("there is no test in it", "write tests under `tests:`");
    }
    root.finish();
    Some(RouteTests {
        name,
        routing: Arc::new(routing?.with_limits(limits)),
        tests,
    })
}

fn read_routing(
    root: &Fields<'_>,
    base: &Path,
    now: Timestamp,
    diagnostics: &Diagnostics,
) -> Option<Routing> {
    match (root.get("alertmanager_config"), root.get("alertmanager")) {
        (Some(path), None) => routing::of_file(&base.join(path.text()?), now, diagnostics),
        (None, Some(inline)) => routing::inline(&inline, base, now, diagnostics),
        (Some(_), Some(inline)) => {
            inline.error(
                "the routing is given twice",
                "keep either alertmanager_config, a path, or alertmanager, the routing itself",
            );
            None
        }
        (None, None) => {
            root.value().error(
                "no routing to test",
                "add `alertmanager_config:` with the path of an alertmanager.yml, or `alertmanager:` with the routing itself",
            );
            None
        }
    }
}
