//! The files that ship inside the binary: rules, runbooks, and the routing of the run without configuration.
//!
//! Text only; nothing is parsed here. `build.rs` lists the files, so that a new one is embedded by being there.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The rule files, as `(file name, text)` sorted by name: `("api.yml", "…")`.
pub fn rules() -> &'static [(&'static str, &'static str)] {
    RULES
}

/// The runbooks, as `(file name, text)` sorted by name: `("target-down.md", "…")`.
pub fn runbooks() -> &'static [(&'static str, &'static str)] {
    RUNBOOKS
}

/// Alertmanager configuration whose receivers name no integration, so that everything is printed on the console.
pub fn console_routing() -> &'static str {
    CONSOLE_ROUTING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_is_embedded_in_order() {
        let names: Vec<&str> = rules().iter().map(|(name, _)| *name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.contains(&"api.yml") && names.contains(&"outrigger.yml"));

        let names: Vec<&str> = runbooks().iter().map(|(name, _)| *name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.contains(&"target-down.md"));
    }

    #[test]
    fn what_is_embedded_is_what_the_files_hold() {
        for (folder, files) in [("rules", rules()), ("runbooks", runbooks())] {
            for (name, text) in files {
                let path = format!("{}/{folder}/{name}", env!("CARGO_MANIFEST_DIR"));
                let on_disk = std::fs::read_to_string(&path).unwrap();
                assert!(on_disk == *text, "{path} is not what is embedded");
            }
        }
        assert!(console_routing().contains("receivers:"));
    }
}
