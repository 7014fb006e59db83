//! Reading the `enrich` setting of `outrigger.yml`; what it means stands at [`EnrichConfig`].

use crate::document::fields::Value;
use crate::enrich::labels::EnrichConfig;

/// Reads the `enrich` mapping.
pub fn read(value: &Value<'_>) -> EnrichConfig {
    let mut config = EnrichConfig::default();
    let Some(fields) = value.fields() else {
        return config;
    };
    if let Some(labels) = fields.get("labels").and_then(|value| value.fields()) {
        config.pod = labels.bool("pod").unwrap_or(false);
        config.host = labels.bool("host").unwrap_or(false);
        for item in labels.items("build") {
            let Some(name) = item.text() else { continue };
            if name.is_empty() || name.starts_with("__") || matches!(name, "job" | "instance") {
                item.error(
                    format!("label {name:?} cannot be taken from the build"),
                    "name labels such as version, revision or branch",
                );
            }
            config.build.push(name.to_owned());
        }
        labels.finish();
    }
    // Read by the routes.
    fields.get("alerts");
    fields.finish();
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::diagnostics::Diagnostics;
    use crate::document::parse;

    #[test]
    fn the_setting_is_read_and_labels_of_the_target_itself_are_refused() {
        let check = |yaml: &str, want: EnrichConfig, problems: usize| {
            let diagnostics = Diagnostics::default();
            let document = parse("f.yml", yaml, &diagnostics).unwrap();
            assert_eq!(read(&document.value(&diagnostics)), want, "{yaml}");
            assert_eq!(diagnostics.len(), problems, "{yaml}");
        };
        let build = |names: &[&str]| EnrichConfig {
            build: names.iter().map(|name| (*name).to_owned()).collect(),
            ..EnrichConfig::default()
        };
        check("{}", EnrichConfig::default(), 0);
        check("labels: {pod: true}", EnrichConfig::zero_config(true), 0);
        check("labels: {build: [version]}", build(&["version"]), 0);
        check("labels: {build: [job]}", build(&["job"]), 1);
        check("label: {}", EnrichConfig::default(), 1);
    }
}
