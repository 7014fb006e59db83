//! Tests across modules, in one binary: it links once.

mod memory_source;
mod promql_conformance;
