//! Policies as a bundle, as OPA's bundle API serves it: a gzipped tar archive of modules and a manifest.
//!
//! ```text
//! .manifest             {"revision": "…", "roots": ["metrics"], "rego_version": 1}
//! metrics/<NAME>.rego   one for each metric
//! ```

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tar::{Builder, Header};

use super::Module;

/// A bundle that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("write policy bundle: {0}")]
pub struct BundleError(#[from] io::Error);

/// The bundle of these modules. The same modules and revision give the same bytes.
///
/// # Errors
/// Where the archive cannot be written; in memory only a module beyond the format's 8 GB does that.
#[tracing::instrument(target = "outrigger::step", level = "debug", name = "Policy.bundle", skip_all, fields(component = "policy", modules = modules.len()))]
pub fn bundle(modules: &[Module], revision: &str) -> Result<Vec<u8>, BundleError> {
    let manifest = json!({"revision": revision, "roots": ["metrics"], "rego_version": 1});
    let mut archive = Builder::new(Vec::new());
    append(
        &mut archive,
        ".manifest",
        format!("{manifest}\n").as_bytes(),
    )?;
    for module in modules {
        let path = format!("metrics/{}.rego", module.name);
        append(&mut archive, &path, module.text.as_bytes())?;
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&archive.into_inner()?)?;
    Ok(packed.finish()?)
}

fn append(archive: &mut Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    archive.append_data(&mut header, path, bytes)
}
