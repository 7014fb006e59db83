//! PromQL: lexer, parser and evaluation.

pub mod ast;
pub mod comparison;
pub mod eval;
pub mod functions;
pub mod lexer;
pub mod operators;
pub mod parser;
pub mod printer;
pub mod reference;
pub mod support;
pub mod typecheck;
pub mod walk;
