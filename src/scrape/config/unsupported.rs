//! Keys that Prometheus has and Outrigger has not: refused by name, each with what to do instead.

use crate::document::fields::Fields;

/// Prometheus's service discoveries apart from static and file.
const DISCOVERIES: [&str; 31] = [
    "aws_sd_configs",
    "azure_sd_configs",
    "consul_sd_configs",
    "digitalocean_sd_configs",
    "dns_sd_configs",
    "docker_sd_configs",
    "dockerswarm_sd_configs",
    "ec2_sd_configs",
    "eureka_sd_configs",
    "gce_sd_configs",
    "hetzner_sd_configs",
    "http_sd_configs",
    "ionos_sd_configs",
    "kubernetes_sd_configs",
    "kuma_sd_configs",
    "lightsail_sd_configs",
    "linode_sd_configs",
    "marathon_sd_configs",
    "nerve_sd_configs",
    "nomad_sd_configs",
    "openstack_sd_configs",
    "outscale_sd_configs",
    "ovhcloud_sd_configs",
    "puppetdb_sd_configs",
    "scaleway_sd_configs",
    "serverset_sd_configs",
    "stackit_sd_configs",
    "triton_sd_configs",
    "uyuni_sd_configs",
    "vultr_sd_configs",
    "msk_sd_configs",
];

/// Refuses what a job may hold in Prometheus.
pub(super) fn refuse_job(fields: &Fields<'_>) {
    for key in DISCOVERIES {
        let remedy = if key == "kubernetes_sd_configs" {
            "write the pod's own port as 127.0.0.1:PORT in static_configs, or annotate the pod with prometheus.io/scrape, port and path"
        } else {
            "list the targets in static_configs, or let a tool write them to a file named in file_sd_configs"
        };
        fields.refuse(key, "a sidecar discovers by list and by file", remedy);
    }
    refuse_shared(fields);
}

/// Refuses what `global` may hold in Prometheus and what concerns scraping.
pub(super) fn refuse_global(fields: &Fields<'_>) {
    refuse_shared(fields);
}

fn refuse_shared(fields: &Fields<'_>) {
    // Off is what we do anyway; these keys are often pasted along.
    for key in [
        "scrape_native_histograms",
        "convert_classic_histograms_to_nhcb",
        "extra_scrape_metrics",
    ] {
        if let Some(value) = fields.get(key)
            && value.bool() == Some(true)
        {
            let why = match key {
                "extra_scrape_metrics" => "the target's page shows the same figures",
                _ => "native histograms are not stored",
            };
            value.error(
                format!("{key} is not supported: {why}"),
                "remove it; classic histograms are scraped",
            );
        }
    }
    // Classic histograms are always scraped, so either value is met.
    fields.bool("always_scrape_classic_histograms");
    fields.bool("scrape_classic_histograms");
    for key in [
        "native_histogram_bucket_limit",
        "native_histogram_min_bucket_factor",
    ] {
        fields.refuse(key, "native histograms are not stored", "remove it");
    }
    fields.refuse(
        "scrape_failure_log_file",
        "failed scrapes are logged with everything else",
        "remove it",
    );
    for (key, accepted) in [
        ("metric_name_validation_scheme", "utf8"),
        ("metric_name_escaping_scheme", "allow-utf-8"),
    ] {
        if let Some(value) = fields.get(key)
            && value.text().is_some_and(|text| text != accepted)
        {
            value.error(
                format!("{key} is not supported other than {accepted}: names are kept as they are"),
                "remove it; use metric_relabel_configs to rename",
            );
        }
    }
}
