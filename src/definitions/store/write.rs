//! One write in a transaction: document, history and audit, and what of it can be refused.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Author, Basis, Outcome, Saved, StoreError, parsed};
use crate::db::DbError;
use crate::db::definitions::{
    self as rows, AuditRow, Column, Columns, HistoryRow, Row, Stored, managed,
};
use crate::db::sql::Transaction;
use crate::definitions::change::{self, Merge, Origin, Prepared};
use crate::definitions::check::{Checks, FindingKind, Findings};
use crate::definitions::resource::{Kind, Resource};
use crate::model::timestamp::Timestamp;

/// The source of what comes from the directory of definitions.
pub(super) const FROM_FILES: &str = "file";

/// Writes of one author at one instant, in one transaction.
pub(super) struct Writer<'a> {
    pub(super) transaction: Transaction,
    pub(super) checks: Checks,
    author: Author<'a>,
    now: Timestamp,
}

/// What was written, and the resource as it is now.
pub(super) struct Written {
    pub(super) saved: Saved,
    pub(super) resource: Resource,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        transaction: Transaction,
        checks: Checks,
        author: Author<'a>,
        now: Timestamp,
    ) -> Self {
        Self {
            transaction,
            checks,
            author,
            now,
        }
    }

    pub(super) async fn commit(self) -> Result<(), DbError> {
        self.transaction.commit().await
    }

    pub(super) async fn create(
        &mut self,
        resource: Resource,
        findings: Findings,
    ) -> Result<Written, StoreError> {
        let (kind, id) = (resource.kind(), resource.id().to_owned());
        let last = rows::last_revision(&mut self.transaction, kind.as_str(), &id).await?;
        if last > 0 && self.stored(kind, &id).await?.is_some() {
            return Err(StoreError::Exists { kind, id });
        }
        let prepared = change::creation(resource, Origin::Request, self.author.name, self.now);
        self.save(prepared, last, Outcome::Created, findings).await
    }

    pub(super) async fn update(
        &mut self,
        (kind, id): (Kind, &str),
        body: &Map<String, Value>,
        merge: Merge,
        basis: &Basis,
    ) -> Result<Written, StoreError> {
        let stored = self.current(kind, id, basis).await?;
        let before = parsed(kind, &stored)?;
        let mut findings = Findings::default();
        let mut body = body.clone();
        // The path says which one is meant.
        let given = body.shift_remove(kind.id_field());
        if given.is_some_and(|given| given != id) {
            findings.warning(
                kind.id_field(),
                FindingKind::Conflict,
                "is not that of the path and is left out",
                "an identifier cannot change: create another one, and remove this",
            );
        }
        let merged = change::merged(&before.to_json(), &body, merge);
        let Some(given) = Resource::read(kind, &merged, self.checks, &mut findings) else {
            return Err(StoreError::Invalid(findings));
        };
        self.replace(stored, &before, given, findings).await
    }

    /// What a file says of a resource, whether it is there or not.
    pub(super) async fn take_over(
        &mut self,
        resource: Resource,
        findings: Findings,
    ) -> Result<Written, StoreError> {
        let kind = resource.kind();
        let Some(stored) = self.stored(kind, resource.id()).await? else {
            let transaction = &mut self.transaction;
            let last = rows::last_revision(transaction, kind.as_str(), resource.id()).await?;
            let prepared = change::creation(resource, Origin::File, self.author.name, self.now);
            return self.save(prepared, last, Outcome::Created, findings).await;
        };
        let before = parsed(kind, &stored)?;
        self.replace(stored, &before, resource, findings).await
    }

    pub(super) async fn remove(
        &mut self,
        (kind, id): (Kind, &str),
        basis: &Basis,
    ) -> Result<(), StoreError> {
        let stored = self.current(kind, id, basis).await?;
        self.writable(kind, id).await?;
        let revision = stored.revision + 1;
        rows::remove(&mut self.transaction, kind.as_str(), id).await?;
        let history = HistoryRow {
            revision,
            version: None,
            change_type: None,
            changed_at: self.now,
            changed_by: self.author.name.to_owned(),
            summary: "Removed".to_owned(),
            fields: vec!["*".to_owned()],
            document: None,
        };
        rows::add_history(&mut self.transaction, kind.as_str(), id, &history).await?;
        self.audit((kind, id, revision), "delete").await?;
        Ok(())
    }

    async fn replace(
        &mut self,
        stored: Stored,
        before: &Resource,
        given: Resource,
        findings: Findings,
    ) -> Result<Written, StoreError> {
        let prepared = change::replacement(before, given.clone(), self.author.name, self.now);
        let Some(prepared) = prepared else {
            let outcome = Outcome::Unchanged;
            let saved = Saved {
                stored,
                outcome,
                findings,
            };
            return Ok(Written {
                saved,
                resource: given,
            });
        };
        self.writable(before.kind(), before.id()).await?;
        let outcome = Outcome::Updated {
            fields: prepared.fields.clone(),
            version: prepared.version.clone(),
        };
        self.save(prepared, stored.revision, outcome, findings)
            .await
    }

    /// Refuses what comes from the directory of definitions, unless it is the directory that writes.
    pub(super) async fn writable(&mut self, kind: Kind, id: &str) -> Result<(), StoreError> {
        if self.author.source == FROM_FILES {
            return Ok(());
        }
        match managed::file_of(&mut self.transaction, kind.as_str(), id).await? {
            Some(file) => Err(StoreError::ReadOnly { file }),
            None => Ok(()),
        }
    }

    pub(super) async fn stored(
        &mut self,
        kind: Kind,
        id: &str,
    ) -> Result<Option<Stored>, StoreError> {
        Ok(rows::get_for_update(&mut self.transaction, kind.as_str(), id).await?)
    }

    async fn current(&mut self, kind: Kind, id: &str, basis: &Basis) -> Result<Stored, StoreError> {
        let stored = self.stored(kind, id).await?;
        let stored = stored.ok_or(StoreError::NotFound { kind })?;
        basis.check(stored.revision)?;
        Ok(stored)
    }

    /// Writes what was prepared; `last` is the last revision of its identifier, 0 where there was none.
    pub(super) async fn save(
        &mut self,
        prepared: Prepared,
        last: i64,
        outcome: Outcome,
        findings: Findings,
    ) -> Result<Written, StoreError> {
        let resource = &prepared.resource;
        let (kind, id) = (resource.kind(), resource.id());
        let transaction = &mut self.transaction;
        let revision = last + 1;
        let row = row(&prepared, revision, self.now);
        rows::save(transaction, &row).await?;
        let history = HistoryRow {
            revision,
            version: prepared.version.clone(),
            change_type: prepared.change.map(|change| change.as_str().to_owned()),
            changed_at: self.now,
            changed_by: self.author.name.to_owned(),
            summary: prepared.summary.clone(),
            fields: prepared.fields.clone(),
            document: Some(row.document.clone()),
        };
        rows::add_history(transaction, kind.as_str(), id, &history).await?;
        let action = match outcome {
            Outcome::Created => "create",
            Outcome::Updated { .. } | Outcome::Unchanged => "update",
            Outcome::Removed => "delete",
        };
        self.audit((kind, id, revision), action).await?;
        let stored = Stored {
            id: row.id,
            revision,
            document: row.document,
        };
        Ok(Written {
            saved: Saved {
                stored,
                outcome,
                findings,
            },
            resource: prepared.resource,
        })
    }

    /// Only one writes at a time, so that the audit's numbers stand in the order of the commits: webhooks follow them.
    async fn audit(
        &mut self,
        (kind, id, revision): (Kind, &str, i64),
        action: &str,
    ) -> Result<(), DbError> {
        let row = AuditRow {
            at: self.now,
            actor: self.author.name,
            source: self.author.source,
            action,
            kind: kind.as_str(),
            target: id,
            revision,
        };
        rows::add_audit(&mut self.transaction, row).await
    }

    /// Warns of references to what is not there.
    pub(super) async fn look_up(&mut self, written: &mut Written) -> Result<(), DbError> {
        let findings = &mut written.saved.findings;
        self.references(&written.resource, findings).await
    }

    /// Warns of references to what is not there.
    pub(super) async fn references(
        &mut self,
        resource: &Resource,
        findings: &mut Findings,
    ) -> Result<(), DbError> {
        let references = resource.references();
        for kind in Kind::ALL {
            let of_kind = references.iter().filter(|(_, of, _)| *of == kind);
            let wanted: BTreeSet<&str> = of_kind.map(|(_, _, value)| *value).collect();
            if wanted.is_empty() {
                continue;
            }
            // Metrics name their domain, and refer to all else by its identifier.
            let column = match kind {
                Kind::Domain => Column::Name,
                Kind::Metric | Kind::Objective => Column::Id,
            };
            let wanted: Vec<&str> = wanted.into_iter().collect();
            let transaction = &mut self.transaction;
            let found = rows::existing(transaction, kind.as_str(), column, &wanted).await?;
            for (field, _, value) in references.iter().filter(|(_, of, _)| *of == kind) {
                if !found.iter().any(|found| found == value) {
                    let message = format!("names no {} that is there", kind.as_str());
                    let remedy = "create it, or correct the name";
                    findings.warning(field, FindingKind::Reference, message, remedy);
                }
            }
        }
        Ok(())
    }
}

impl Basis {
    /// Refuses a revision that it is not based on.
    pub(super) fn check(&self, revision: i64) -> Result<(), StoreError> {
        match self {
            Self::OneOf(revisions) if !revisions.contains(&revision) => {
                Err(StoreError::Stale { revision })
            }
            Self::Any | Self::OneOf(_) => Ok(()),
        }
    }
}

fn row(prepared: &Prepared, revision: i64, now: Timestamp) -> Row {
    let resource = &prepared.resource;
    let mut words = vec![resource.id(), resource.name()];
    let mut tags = Vec::new();
    let columns = match resource {
        Resource::Metric(metric) => {
            words.extend([&*metric.short_name, &*metric.description, &*metric.category]);
            words.extend([&*metric.business_domain, &*metric.governance.owner_team]);
            words.extend(metric.tags.iter().map(String::as_str));
            tags.clone_from(&metric.tags);
            Columns {
                category: Some(metric.category.clone()),
                tier: Some(metric.tier.as_str().to_owned()),
                business_domain: Some(metric.business_domain.clone()),
                metric_type: Some(metric.metric_type.as_str().to_owned()),
                status: Some(metric.governance.status.as_str().to_owned()),
                owner_team: Some(metric.governance.owner_team.clone()),
            }
        }
        Resource::Domain(domain) => {
            words.extend(domain.description.as_deref());
            words.extend(domain.owner_team.as_deref());
            Columns {
                status: Some(domain.status.as_str().to_owned()),
                owner_team: domain.owner_team.clone(),
                ..Columns::default()
            }
        }
        Resource::Objective(objective) => {
            words.extend([&*objective.description, &*objective.owner_team]);
            words.extend(
                objective
                    .key_results
                    .iter()
                    .map(|result| result.name.as_str()),
            );
            Columns {
                status: Some(objective.status.as_str().to_owned()),
                owner_team: Some(objective.owner_team.clone()),
                ..Columns::default()
            }
        }
    };
    Row {
        kind: resource.kind().as_str(),
        id: resource.id().to_owned(),
        name: resource.name().to_owned(),
        columns,
        version: prepared.version.clone(),
        revision,
        updated_at: now,
        tags,
        search: words.join("\n").to_lowercase(),
        document: resource.to_json().to_string(),
    }
}
