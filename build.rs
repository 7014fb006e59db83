//! Lists the files that ship inside the binary and writes the table that `src/embedded.rs` includes.
//!
//! The table names each file below the manifest's folder, so that it holds in a checkout, in a packaged crate and in an
//! image build. A folder that was not copied is an error here, not an empty product later.
//!
//! It also says how the release binary is linked ([`link_small`]).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Constant, folder and extension of each embedded set.
const SETS: [(&str, &str, &str); 2] = [("RULES", "rules", "yml"), ("RUNBOOKS", "runbooks", "md")];
const CONSOLE_ROUTING: &str = "alertmanager/console.yml";
/// Names of functions, one a line; .ci/order-functions writes it.
const FUNCTIONS: &str = "link/functions.txt";

fn main() -> io::Result<()> {
    let (manifest, out) = (variable("CARGO_MANIFEST_DIR"), variable("OUT_DIR"));
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
    watch("build.rs");
    link_small(&manifest);
    fs::write(out.join("embedded.rs"), table)
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

/// Links the release binary so that little of it is resident.
///
/// The kernel maps 64 kB around each function that runs: those that run in daily work are put side by side. Addresses that
/// are mended at the start are listed in the compact form, where the C library knows it (glibc 2.36). Both only where the
/// linker is the toolchain's own lld; elsewhere the binary is the same, and larger in memory.
fn link_small(manifest: &Path) {
    const KEEP_SYMBOLS: &str = "OUTRIGGER_KEEP_SYMBOLS";
    watch(FUNCTIONS);
    println!("cargo:rerun-if-env-changed={KEEP_SYMBOLS}");
    let said = |name: &str| variable(name).unwrap_or_default();
    let target = said("TARGET");
    if said("PROFILE") != "release" || target != "x86_64-unknown-linux-gnu" {
        return;
    }
    let argument = |text: &str| println!("cargo:rustc-link-arg-bins=-Wl,{text}");
    if variable(KEEP_SYMBOLS).is_none() {
        argument("--strip-all");
    }
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let output = output.ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    };
    let other_linker =
        said("CARGO_ENCODED_RUSTFLAGS").contains("link") || variable("RUSTC_LINKER").is_some();
    let lld = output(&said("RUSTC"), &["--print", "sysroot"])
        .map(|root| format!("{}/lib/rustlib/{target}/bin/gcc-ld/ld.lld", root.trim()));
    if other_linker || !lld.is_some_and(|lld| Path::new(&lld).is_file()) {
        return;
    }
    let functions = manifest.join(FUNCTIONS);
    argument(&format!("--symbol-ordering-file={}", functions.display()));
    argument("--no-warn-symbol-ordering");
    let glibc = output("getconf", &["GNU_LIBC_VERSION"]);
    let version = glibc
        .as_deref()
        .and_then(|text| text.trim().strip_prefix("glibc 2."));
    if version
        .and_then(|minor| minor.parse().ok())
        .is_some_and(|minor: u32| minor >= 36)
    {
        argument("-z,pack-relative-relocs");
    }
}

/// What Cargo says, and how the linker is chosen.
#[expect(
    clippy::disallowed_methods,
    reason = "Cargo tells a build script its settings in no other way"
)]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
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
