//! PromQL: lexer, parser and evaluation.

pub mod ast;
