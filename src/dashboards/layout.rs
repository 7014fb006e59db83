//! Places panels in Grafana's grid of 24 columns: left to right, a new line where one does not fit.

use super::alerts::Alerts;
use super::model::{GridPos, Item, Panel, Row, RowKind};
use super::panel::Draft;

/// Columns of the grid.
pub const COLUMNS: u32 = 24;

/// Panels placed so far.
#[derive(Debug)]
pub struct Layout<'a> {
    alerts: &'a Alerts,
    items: Vec<Item>,
    /// The first line below everything.
    bottom: u32,
    next_id: u32,
}

impl<'a> Layout<'a> {
    /// An empty page; panels take thresholds and links from these alerts.
    pub fn new(alerts: &'a Alerts) -> Self {
        Self {
            alerts,
            items: Vec::new(),
            bottom: 0,
            next_id: 1,
        }
    }

    /// Panels below a title.
    #[must_use]
    pub fn open(mut self, title: &str, drafts: Vec<Draft>) -> Self {
        let row = self.row(title, false);
        self.items.push(Item::Row(row));
        let (panels, bottom) = self.panels(drafts, self.bottom);
        self.bottom = bottom;
        self.items
            .extend(panels.into_iter().map(|panel| Item::Panel(Box::new(panel))));
        self
    }

    /// Panels folded into a title.
    #[must_use]
    pub fn folded(mut self, title: &str, drafts: Vec<Draft>) -> Self {
        let mut row = self.row(title, true);
        // Folded panels take no room: the next title follows at once.
        (row.panels, _) = self.panels(drafts, self.bottom);
        self.items.push(Item::Row(row));
        self
    }

    /// What was placed.
    pub fn finish(self) -> Vec<Item> {
        self.items
    }

    fn id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn row(&mut self, title: &str, collapsed: bool) -> Row {
        let row = Row {
            id: self.id(),
            kind: RowKind::Row,
            title: title.to_owned(),
            collapsed,
            grid_pos: GridPos {
                x: 0,
                y: self.bottom,
                w: COLUMNS,
                h: 1,
            },
            panels: Vec::new(),
        };
        self.bottom += 1;
        row
    }

    /// The panels and the first line below them.
    fn panels(&mut self, drafts: Vec<Draft>, top: u32) -> (Vec<Panel>, u32) {
        let (mut x, mut y, mut line) = (0, top, 0);
        let mut panels = Vec::new();
        for draft in drafts {
            let (w, h) = (draft.size.0.clamp(1, COLUMNS), draft.size.1.max(1));
            if x + w > COLUMNS {
                (x, y, line) = (0, y + line, 0);
            }
            debug_assert!(
                draft
                    .alerts()
                    .iter()
                    .all(|wanted| self.alerts.of(wanted).next().is_some()),
                "a panel names an alert that is not there: {:?}",
                draft.alerts()
            );
            let place = GridPos { x, y, w, h };
            let id = self.id();
            panels.push(draft.place(id, place, self.alerts));
            x += w;
            line = line.max(h);
        }
        (panels, y + line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_fill_lines_and_folded_ones_take_no_room() {
        let alerts = Alerts::default();
        let drafts = |sizes: &[(u32, u32)]| -> Vec<Draft> {
            let draft = |size: &(u32, u32)| Draft::stat("x").size(size.0, size.1);
            sizes.iter().map(draft).collect()
        };
        let items = Layout::new(&alerts)
            .open("a", drafts(&[(12, 8), (12, 4), (8, 4), (30, 2)]))
            .folded("b", drafts(&[(24, 8)]))
            .open("c", drafts(&[(6, 4)]))
            .finish();
        let mut seen = Vec::new();
        for item in &items {
            match item {
                Item::Panel(panel) => seen.push((panel.id, panel.grid_pos)),
                Item::Row(row) => {
                    seen.push((row.id, row.grid_pos));
                    seen.extend(row.panels.iter().map(|panel| (panel.id, panel.grid_pos)));
                }
            }
        }
        let at = |x, y, w, h| GridPos { x, y, w, h };
        assert_eq!(
            seen,
            [
                (1, at(0, 0, 24, 1)),
                (2, at(0, 1, 12, 8)),
                (3, at(12, 1, 12, 4)),
                (4, at(0, 9, 8, 4)),
                (5, at(0, 13, 24, 2)),
                (6, at(0, 15, 24, 1)),
                (7, at(0, 16, 24, 8)),
                (8, at(0, 16, 24, 1)),
                (9, at(0, 17, 6, 4)),
            ]
        );
    }
}
