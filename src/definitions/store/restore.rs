//! Going back to an old revision, also of a resource that was removed.

use super::write::Written;
use super::{Author, Basis, Outcome, Saved, Store, StoreError, document, parsed};
use crate::db::definitions::{self as rows, revisions};
use crate::definitions::change;
use crate::definitions::check::Findings;
use crate::definitions::resource::{Kind, Resource};
use crate::model::timestamp::Timestamp;

impl Store {
    /// Makes a resource what it was at a revision; without one, brings a removed resource back as it was last. The
    /// history goes on: an old revision becomes a new one.
    ///
    /// # Errors
    /// Where there is no such resource or revision, it was changed since, breaks today's rules, or cannot be written.
    pub async fn restore(
        &self,
        (kind, id): (Kind, &str),
        revision: Option<i64>,
        basis: &Basis,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mut writer = self.writer(author, now).await?;
        let last = revisions::last(&mut writer.transaction, kind.as_str(), id).await?;
        let last = last.ok_or(StoreError::NotFound { kind })?;
        let wanted = match revision {
            None => last.clone(),
            Some(revision) => {
                let transaction = &mut writer.transaction;
                let found = revisions::get_for_update(transaction, kind.as_str(), id, revision);
                found.await?.ok_or(StoreError::NoRevision { revision })?
            }
        };
        let text = wanted.document.as_deref().ok_or(StoreError::NoRevision {
            revision: wanted.revision,
        })?;
        // The rules may have changed since.
        let mut findings = Findings::default();
        let old = document(kind, id, text)?.to_json();
        let Some(given) = Resource::read(kind, &old, self.checks, &mut findings) else {
            return Err(StoreError::Invalid(findings));
        };
        let stored = writer.stored(kind, id).await?;
        let (before, outcome) = match &stored {
            Some(stored) => {
                basis.check(stored.revision)?;
                (parsed(kind, stored)?, None)
            }
            None => {
                let text = last.document.as_deref().unwrap_or(text);
                (document(kind, id, text)?, Some(Outcome::Created))
            }
        };
        let prepared = change::restoration(&before, given, wanted.revision, author.name, now);
        let outcome = match (outcome, &stored) {
            (Some(created), _) => created,
            (None, Some(stored)) if prepared.fields.is_empty() => {
                return Ok(Saved {
                    stored: stored.clone(),
                    outcome: Outcome::Unchanged,
                    findings,
                });
            }
            (None, _) => Outcome::Updated {
                fields: prepared.fields.clone(),
                version: prepared.version.clone(),
            },
        };
        writer.writable(kind, id).await?;
        let last = rows::last_revision(&mut writer.transaction, kind.as_str(), id).await?;
        let mut written: Written = writer.save(prepared, last, outcome, findings).await?;
        writer.look_up(&mut written).await?;
        writer.commit().await?;
        Ok(written.saved)
    }
}
