//! Lists the files that ship inside the binary and writes the table that `src/embedded.rs` includes.
//!
//! The table names each file below the manifest's folder, so that it holds in a checkout, in a packaged crate and in an
//! image build. A folder that was not copied is an error here, not an empty product later.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Constant, folder and extension of each embedded set.
const SETS: [(&str, &str, &str); 2] = [("RULES", "rules", "yml"), ("RUNBOOKS", "runbooks", "md")];
const ORDER: &str = "functions.order";
const CONSOLE_ROUTING: &str = "alertmanager/console.yml";

fn main() -> io::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "Cargo tells a build script its folders in no other way"
    )]
    let (manifest, out) = (env::var_os("CARGO_MANIFEST_DIR"), env::var_os("OUT_DIR"));
    let (Some(manifest), Some(out)) = (manifest.map(PathBuf::from), out.map(PathBuf::from)) else {
        return Err(io::Error::other("run by Cargo only"));
    };

    let mut table = String::new();
    for (constant, folder, extension) in SETS {
        watch(folder);
        table.push_str(&format!("static {constant}: &[(&str, &str)] = &[\n"));
        for name in names(&manifest.join(folder), extension)? {
            let text = include(&format!("{folder}/{name}"));
            table.push_str(&format!("    ({name:?}, {text}),\n"));
        }
        table.push_str("];\n");
    }
    watch(CONSOLE_ROUTING);
    if !manifest.join(CONSOLE_ROUTING).is_file() {
        return Err(missing(CONSOLE_ROUTING));
    }
    let text = include(CONSOLE_ROUTING);
    table.push_str(&format!("static CONSOLE_ROUTING: &str = {text};\n"));
    order_functions(&manifest);
    watch("build.rs");
    fs::write(out.join("embedded.rs"), table)
}

/// Keeps the functions that every process runs side by side, so that it maps fewer of the program's pages. The linker leaves
/// out names it does not find; `.ci/order-functions` writes them anew.
fn order_functions(manifest: &Path) {
    watch(ORDER);
    #[expect(
        clippy::disallowed_methods,
        reason = "Cargo tells a build script its target in no other way"
    )]
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let target = ["ARCH", "OS", "ENV"].map(|part| variable(&format!("CARGO_CFG_TARGET_{part}")));
    // There the toolchain links with LLD, which knows the option, unless it was told otherwise.
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let links_itself = variable("RUSTC_LINKER").is_empty()
        && !["linker", "fuse-ld"]
            .iter()
            .any(|word| flags.contains(word));
    let order = manifest.join(ORDER);
    if target == ["x86_64", "linux", "gnu"] && links_itself && order.is_file() {
        println!(
            "cargo:rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering,--symbol-ordering-file={}",
            order.display()
        );
    }
}

/// The names of the files in `folder` that end in `extension`, sorted so that a build is the same everywhere.
fn names(folder: &Path, extension: &str) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|_| missing(&folder.display().to_string()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name
            && !name.starts_with('.')
            && path.extension().is_some_and(|found| found == extension)
            && path.is_file()
        {
            names.push(name.to_owned());
        }
    }
    if names.is_empty() {
        return Err(missing(&format!("{}/*.{extension}", folder.display())));
    }
    names.sort();
    Ok(names)
}

fn include(path: &str) -> String {
    format!(
        "include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))",
        format!("/{path}")
    )
}

fn missing(what: &str) -> io::Error {
    io::Error::other(format!(
        "find {what}: it is built into the binary; copy it beside Cargo.toml"
    ))
}

fn watch(path: &str) {
    println!("cargo:rerun-if-changed={path}");
}
