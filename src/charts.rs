//! Series as pictures: one renderer for messages, pages and the terminal.
//!
//! ```text
//!   alert ──▶ alert::draw ──▶ storage, promql ──▶ Chart ──┬─▶ svg::draw ──▶ png::Painter ──▶ PNG
//!   query ──▶ course::evaluate, course::chart ───────────┘└─▶ terminal::draw ──▶ text
//! ```
//!
//! A [`chart::Chart`] is plain data; [`svg::draw`] is a pure function of it, so that the same data is the same picture.
//! What is *not* here: who gets a picture (`notify`), and the address that serves one (`http`).

pub mod alert;
pub mod axis;
pub mod chart;
pub mod course;
pub mod metrics;
pub mod pictures;
pub mod png;
mod states;
pub mod svg;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod unit;
