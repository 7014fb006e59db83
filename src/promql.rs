//! PromQL: lexer, parser and evaluation.

pub mod ast;
pub mod functions;
