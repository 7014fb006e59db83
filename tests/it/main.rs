//! Tests across modules, and of the program as its users start it. One binary: it links once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on panics"
)]

mod acks;
mod alertmanager;
mod architecture;
mod auth;
mod bad_configuration;
mod bad_targets;
mod crash;
mod crash_loop;
mod dashboards;
mod definition_cache;
mod definitions;
mod discovery;
mod drill;
mod edge;
mod grouping;
mod heartbeat;
mod host;
mod http_edges;
mod meaning;
mod memory_source;
mod pages;
mod pages_alerts;
mod pages_definitions;
mod pages_live;
mod pages_query;
mod pages_silences;
mod pictures;
mod postgres;
mod prometheus_shapes;
mod promql_conformance;
mod real_targets;
mod reload;
mod routing;
mod rule_tests;
mod runbook_drills;
mod shutdown;
mod slack_bot;
mod storage_trouble;
mod storms;
mod support;
mod telemetry;
mod tools;
mod zero_config;
