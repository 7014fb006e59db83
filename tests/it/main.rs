//! Tests across modules, and of the program as its users start it. One binary: it links once.

mod architecture;
mod memory_source;
mod promql_conformance;
