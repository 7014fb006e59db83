//! Many writes in one transaction, each with its report.
//!
//! Atomic (all of them, or none where one is refused), partial (those that are not refused), or only tried. What one
//! writes the next one sees.

use serde_json::{Map, Value};

use super::write::Writer;
use super::{Author, Basis, Outcome, Store, StoreError};
use crate::definitions::catalog::Item;
use crate::definitions::change::Merge;
use crate::definitions::check::Findings;
use crate::definitions::resource::{Kind, Resource};
use crate::model::timestamp::Timestamp;

/// One write of several.
#[derive(Clone, PartialEq, Debug)]
pub struct Task {
    /// Where it stands in its file or body.
    pub place: String,
    /// Kind of the resource.
    pub kind: Kind,
    /// What to do.
    pub write: Write,
    /// What is wrong or odd about it already.
    pub findings: Findings,
}

/// What to do with one resource.
#[derive(Clone, PartialEq, Debug)]
pub enum Write {
    /// Make it.
    Create(Value),
    /// Change it.
    Update {
        /// Which one.
        id: String,
        /// What is given.
        body: Map<String, Value>,
        /// How it is laid over the stored one.
        merge: Merge,
        /// The revision it is based on.
        basis: Basis,
    },
    /// Remove it.
    Remove {
        /// Which one.
        id: String,
        /// The revision it is based on.
        basis: Basis,
    },
    /// Make it, or put it in the place of the stored one.
    TakeOver(Value),
    /// Nothing: its findings say why not.
    Refuse,
}

/// How a batch is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode {
    /// All, or none where one is refused.
    pub atomic: bool,
    /// Only see what would happen.
    pub dry_run: bool,
}

/// What a batch makes of one item.
#[derive(Debug)]
pub struct ItemReport {
    /// Where it stands in its file or body.
    pub place: String,
    /// Its kind.
    pub kind: Kind,
    /// Its identifier, where it has a readable one.
    pub id: String,
    /// What happens to it; `None` where it is refused.
    pub outcome: Option<Outcome>,
    /// The revision it is at then.
    pub revision: Option<i64>,
    /// Why it is refused; mistakes of its own are in `findings`.
    pub refusal: Option<StoreError>,
    /// What is wrong or odd about it.
    pub findings: Findings,
}

impl From<Item> for Task {
    fn from(item: Item) -> Self {
        Self {
            place: item.place,
            kind: item.kind,
            write: Write::TakeOver(item.value),
            findings: item.findings,
        }
    }
}

impl Task {
    /// The identifier it is about, where it has a readable one.
    fn id(&self) -> &str {
        match &self.write {
            Write::Update { id, .. } | Write::Remove { id, .. } => id,
            Write::Create(value) | Write::TakeOver(value) => {
                let id = value.get(self.kind.id_field()).and_then(Value::as_str);
                id.unwrap_or_default().trim()
            }
            Write::Refuse => "",
        }
    }
}

impl Store {
    /// Takes over items of files: all of them, or none where one is refused or it is only tried.
    ///
    /// # Errors
    /// Where the database cannot be read or written.
    pub async fn import(
        &self,
        items: &[Item],
        dry_run: bool,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Vec<ItemReport>, StoreError> {
        let tasks = items.iter().cloned().map(Task::from).collect();
        let mode = Mode {
            atomic: true,
            dry_run,
        };
        self.batch(tasks, mode, author, now).await
    }

    /// Does these writes in their order.
    ///
    /// # Errors
    /// Where the database cannot be read or written; then nothing is.
    pub async fn batch(
        &self,
        tasks: Vec<Task>,
        mode: Mode,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Vec<ItemReport>, StoreError> {
        let mut writer = self.writer(author, now).await?;
        let reports = write_all(&mut writer, tasks).await?;
        let refused = reports.iter().any(|report| report.outcome.is_none());
        let undone = mode.dry_run || (mode.atomic && refused);
        if !undone {
            writer.commit().await?;
        }
        Ok(reports)
    }

    /// Lets these be all resources of a kind: those that are not among them are removed. All of it, or nothing.
    ///
    /// # Errors
    /// Where the database cannot be read or written; then nothing is.
    pub async fn replace_all(
        &self,
        kind: Kind,
        items: Vec<Item>,
        may_remove: bool,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        let mut writer = self.writer(author, now).await?;
        let stored = self.of_kind(kind).await?;
        let mut tasks: Vec<Task> = items.into_iter().map(Task::from).collect();
        let kept = |resource: &&Resource| !tasks.iter().any(|task| task.id() == resource.id());
        let gone = stored.iter().filter(kept).map(|gone| gone.id().to_owned());
        let gone: Vec<String> = gone.collect();
        if !gone.is_empty() && !may_remove {
            return Ok(Replaced::WouldRemove(gone));
        }
        tasks.extend(gone.into_iter().map(|id| Task {
            place: String::new(),
            kind,
            write: Write::Remove {
                id,
                basis: Basis::Any,
            },
            findings: Findings::default(),
        }));
        let reports = write_all(&mut writer, tasks).await?;
        if reports.iter().all(|report| report.outcome.is_some()) {
            writer.commit().await?;
        }
        Ok(Replaced::Done(reports))
    }
}

/// What a replacement of all resources of a kind came to.
#[derive(Debug)]
pub enum Replaced {
    /// What became of each.
    Done(Vec<ItemReport>),
    /// Nothing was written: these would be removed, which the caller may not.
    WouldRemove(Vec<String>),
}

/// Writes one after the other. What is refused has written nothing; only a failing database ends it.
pub(super) async fn write_all(
    writer: &mut Writer<'_>,
    tasks: Vec<Task>,
) -> Result<Vec<ItemReport>, StoreError> {
    let mut reports = Vec::with_capacity(tasks.len());
    let mut written = Vec::new();
    for task in tasks {
        let mut report = ItemReport {
            id: task.id().to_owned(),
            place: task.place,
            kind: task.kind,
            outcome: None,
            revision: None,
            refusal: None,
            findings: task.findings,
        };
        let kind = report.kind;
        let read = |value: &Value, findings: &mut Findings| {
            Resource::read(kind, value, writer.checks, findings)
        };
        let result = match task.write {
            Write::Refuse => None,
            Write::Create(value) => match read(&value, &mut report.findings) {
                Some(resource) => Some(writer.create(resource, Findings::default()).await),
                None => None,
            },
            Write::TakeOver(value) => match read(&value, &mut report.findings) {
                Some(resource) => Some(writer.take_over(resource, Findings::default()).await),
                None => None,
            },
            Write::Update {
                id,
                body,
                merge,
                basis,
            } => Some(writer.update((kind, &id), &body, merge, &basis).await),
            Write::Remove { id, basis } => match writer.remove((kind, &id), &basis).await {
                Ok(()) => {
                    report.outcome = Some(Outcome::Removed);
                    None
                }
                Err(error) => Some(Err(error)),
            },
        };
        match result {
            None => {}
            Some(Ok(done)) => {
                report.outcome = Some(done.saved.outcome);
                report.revision = Some(done.saved.stored.revision);
                report.findings.add(done.saved.findings);
                written.push((reports.len(), done.resource));
            }
            Some(Err(StoreError::Invalid(findings))) => report.findings.add(findings),
            Some(Err(error @ (StoreError::Database(_) | StoreError::Unreadable { .. }))) => {
                return Err(error);
            }
            Some(Err(refusal)) => report.refusal = Some(refusal),
        }
        reports.push(report);
    }
    // Only now is everything there that they may refer to.
    for (i, resource) in written {
        let findings = &mut reports[i].findings;
        writer.references(&resource, findings).await?;
    }
    Ok(reports)
}
