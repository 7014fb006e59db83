//! Resources that come from the directory of definitions: written as it says, and by nobody else.

use std::collections::BTreeMap;

use super::batch::{ItemReport, Task, write_all};
use super::write::FROM_FILES;
use super::{Author, Basis, Outcome, Store, StoreError};
use crate::db::definitions::managed;
use crate::definitions::catalog::Item;
use crate::definitions::resource::Kind;
use crate::model::timestamp::Timestamp;

/// An item of a file of the directory.
#[derive(Clone, PartialEq, Debug)]
pub struct FileItem {
    /// The file's name.
    pub file: String,
    /// What it says.
    pub item: Item,
}

/// What a synchronisation did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Synced {
    /// Resources that are new.
    pub created: usize,
    /// Resources that changed.
    pub updated: usize,
    /// Resources that no file holds any more.
    pub removed: usize,
    /// Resources that come from files now.
    pub total: usize,
}

impl Store {
    /// Brings the resources that come from files up to these, all or nothing. What a file no longer holds is removed;
    /// without a directory (`None`) what came from it stays, and can be changed again.
    ///
    /// # Errors
    /// Where the database cannot be read or written; the refused items where there are any.
    pub async fn sync(
        &self,
        items: Option<&[FileItem]>,
        now: Timestamp,
    ) -> Result<Result<Synced, Vec<ItemReport>>, StoreError> {
        let author = Author {
            name: "outrigger",
            source: FROM_FILES,
        };
        let mut writer = self.writer(author, now).await?;
        let known = managed::all(&mut writer.transaction).await?;
        let Some(items) = items else {
            if !known.is_empty() {
                managed::set(&mut writer.transaction, &[]).await?;
                writer.commit().await?;
            }
            return Ok(Ok(Synced::default()));
        };
        let tasks = items.iter().map(|item| Task::from(item.item.clone()));
        let reports = write_all(&mut writer, tasks.collect()).await?;
        let mut synced = Synced::default();
        let mut now_there = BTreeMap::new();
        for (report, item) in reports.iter().zip(items) {
            match report.outcome {
                Some(Outcome::Created) => synced.created += 1,
                Some(Outcome::Updated { .. }) => synced.updated += 1,
                Some(Outcome::Unchanged | Outcome::Removed) => {}
                None => return Ok(Err(reports)),
            }
            now_there.insert((report.kind.as_str(), report.id.clone()), &*item.file);
        }
        for (kind, id, _) in &known {
            let Some(kind) = Kind::ALL.into_iter().find(|of| of.as_str() == kind) else {
                continue;
            };
            if now_there.contains_key(&(kind.as_str(), id.clone())) {
                continue;
            }
            match writer.remove((kind, id), &Basis::Any).await {
                Ok(()) => synced.removed += 1,
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        synced.total = now_there.len();
        let rows: Vec<(&str, &str, &str)> = now_there
            .iter()
            .map(|((kind, id), file)| (*kind, id.as_str(), *file))
            .collect();
        let same = known.len() == rows.len()
            && known
                .iter()
                .zip(&rows)
                .all(|(known, row)| (&*known.0, &*known.1, &*known.2) == *row);
        if !same {
            managed::set(&mut writer.transaction, &rows).await?;
        }
        writer.commit().await?;
        Ok(Ok(synced))
    }
}
