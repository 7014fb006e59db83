//! Resources in the database: each write one transaction of document, history and audit, with the revision it was based on.
//!
//! References to other resources are not enforced, as either may come first: what refers to nothing is a warning.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::catalog::Item;
use super::change::{self, Merge, Origin, Prepared};
use super::check::{Checks, FindingKind, Findings};
use super::metric::Metric;
use super::resource::{Kind, Resource};
use crate::db::DbError;
use crate::db::definitions::{
    self as rows, AuditRow, Column, Columns, Filter, HistoryRow, Row, Stored,
};
use crate::db::sql::{Sql, Transaction};
use crate::model::timestamp::Timestamp;

/// Resources in a database.
#[derive(Clone, Debug)]
pub struct Store {
    database: Sql,
    checks: Checks,
}

/// Who writes, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The user's name.
    pub name: &'a str,
    /// `api` or `cli`.
    pub source: &'a str,
}

/// Which revision a write is based on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Basis {
    /// Whichever there is.
    Any,
    /// One of these.
    OneOf(Vec<i64>),
}

/// What was written.
#[derive(Clone, PartialEq, Debug)]
pub struct Saved {
    /// The resource as it is now.
    pub stored: Stored,
    /// What happened to it.
    pub outcome: Outcome,
    /// What is odd about what was given.
    pub findings: Findings,
}

/// What happens to a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is new.
    Created,
    /// These fields changed; metrics have a new version.
    Updated {
        /// Which.
        fields: Vec<String>,
        /// The version it has now.
        version: Option<String>,
    },
    /// It was there as it is.
    Unchanged,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The identifier is taken.
    #[error("there is a {} {id:?} already; change it with PUT or PATCH", kind.as_str())]
    Exists {
        /// Kind of the resource.
        kind: Kind,
        /// Its identifier.
        id: String,
    },
    /// There is none of this identifier.
    #[error("there is no such {}", kind.as_str())]
    NotFound {
        /// Kind of the resource.
        kind: Kind,
    },
    /// It was changed since.
    #[error(
        "it was changed since; read it again (it is at revision {revision}) and repeat the change"
    )]
    Stale {
        /// The revision it is at.
        revision: i64,
    },
    /// What was given breaks rules.
    #[error("the definition has mistakes")]
    Invalid(Findings),
    /// The database fails.
    #[error(transparent)]
    Database(#[from] DbError),
    /// What is stored does not fit the rules any more.
    #[error("read stored {} {id:?}: {reason}", kind.as_str())]
    Unreadable {
        /// Kind of the resource.
        kind: Kind,
        /// Its identifier.
        id: String,
        /// What does not fit.
        reason: String,
    },
}

/// What an import makes of one item.
#[derive(Clone, PartialEq, Debug)]
pub struct ItemReport {
    /// Where it stands in its file.
    pub place: String,
    /// Its kind.
    pub kind: Kind,
    /// Its identifier, where it has a readable one.
    pub id: String,
    /// What happens to it; `None` where it is refused.
    pub outcome: Option<Outcome>,
    /// What is wrong or odd about it.
    pub findings: Findings,
}

impl Store {
    /// Those of a database.
    pub fn new(database: Sql, checks: Checks) -> Self {
        Self { database, checks }
    }

    /// The database beneath.
    pub fn database(&self) -> &Sql {
        &self.database
    }

    /// All resources, by kind and name.
    ///
    /// # Errors
    /// Where the database cannot be read, or what it holds does not fit.
    pub async fn all(&self) -> Result<Vec<Resource>, StoreError> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            all.extend(self.all_of(kind).await?);
        }
        Ok(all)
    }

    /// All metrics, by name.
    ///
    /// # Errors
    /// Where the database cannot be read, or what it holds does not fit.
    pub async fn metrics(&self) -> Result<Vec<Metric>, StoreError> {
        let all = self.all_of(Kind::Metric).await?.into_iter();
        let metrics = all.filter_map(|resource| match resource {
            Resource::Metric(metric) => Some(*metric),
            Resource::Domain(_) | Resource::Objective(_) => None,
        });
        Ok(metrics.collect())
    }

    async fn all_of(&self, kind: Kind) -> Result<Vec<Resource>, StoreError> {
        let filter = Filter {
            limit: i64::MAX,
            ..Filter::default()
        };
        let (page, _) = rows::list(&self.database, kind.as_str(), &filter).await?;
        page.iter().map(|stored| parsed(kind, stored)).collect()
    }

    /// Makes a resource.
    ///
    /// # Errors
    /// Where it breaks rules, its identifier is taken, or it cannot be written.
    #[tracing::instrument(target = "outrigger::step", level = "debug", name = "Storage.create", skip_all, fields(component = "storage", kind = kind.as_str()))]
    pub async fn create(
        &self,
        kind: Kind,
        body: &Value,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mut findings = Findings::default();
        let Some(resource) = Resource::read(kind, body, self.checks, &mut findings) else {
            return Err(StoreError::Invalid(findings));
        };
        let mut transaction = self.database.begin().await?;
        let id = resource.id().to_owned();
        if rows::get_for_update(&mut transaction, kind.as_str(), &id)
            .await?
            .is_some()
        {
            return Err(StoreError::Exists { kind, id });
        }
        let prepared = change::creation(resource, Origin::Request, author.name, now);
        let stored = write(&mut transaction, &prepared, "create", author, now).await?;
        look_up(&mut transaction, &prepared.resource, &mut findings).await?;
        transaction.commit().await?;
        Ok(Saved {
            stored,
            outcome: Outcome::Created,
            findings,
        })
    }

    /// Changes a resource; where nothing changes nothing is written.
    ///
    /// # Errors
    /// Where there is none, it was changed since, the outcome breaks rules, or it cannot be written.
    #[tracing::instrument(target = "outrigger::step", level = "debug", name = "Storage.update", skip_all, fields(component = "storage", kind = kind.as_str()))]
    pub async fn update(
        &self,
        (kind, id): (Kind, &str),
        body: &Map<String, Value>,
        merge: Merge,
        basis: &Basis,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mut transaction = self.database.begin().await?;
        let stored = current(&mut transaction, kind, id, basis).await?;
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
        look_up(&mut transaction, &given, &mut findings).await?;
        let Some(prepared) = change::replacement(&before, given, author.name, now) else {
            return Ok(Saved {
                stored,
                outcome: Outcome::Unchanged,
                findings,
            });
        };
        let stored = write(&mut transaction, &prepared, "update", author, now).await?;
        transaction.commit().await?;
        Ok(Saved {
            stored,
            outcome: Outcome::Updated {
                fields: prepared.fields,
                version: prepared.version,
            },
            findings,
        })
    }

    /// Removes a resource; its history stays.
    ///
    /// # Errors
    /// Where there is none, it was changed since, or it cannot be removed.
    #[tracing::instrument(target = "outrigger::step", level = "debug", name = "Storage.delete", skip_all, fields(component = "storage", kind = kind.as_str()))]
    pub async fn remove(
        &self,
        (kind, id): (Kind, &str),
        basis: &Basis,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let stored = current(&mut transaction, kind, id, basis).await?;
        let revision = stored.revision + 1;
        rows::remove(&mut transaction, kind.as_str(), id).await?;
        let history = HistoryRow {
            revision,
            version: None,
            change_type: None,
            changed_at: now,
            changed_by: author.name.to_owned(),
            summary: "Removed".to_owned(),
            fields: vec!["*".to_owned()],
            document: None,
        };
        rows::add_history(&mut transaction, kind.as_str(), id, &history).await?;
        audit(
            &mut transaction,
            (kind, id, revision),
            "delete",
            author,
            now,
        )
        .await?;
        transaction.commit().await?;
        Ok(())
    }

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
        let mut transaction = self.database.begin().await?;
        let mut reports = Vec::new();
        let mut taken = Vec::new();
        for item in items {
            let mut findings = item.findings.clone();
            let resource = Resource::read(item.kind, &item.value, self.checks, &mut findings);
            let id = item.value[item.kind.id_field()]
                .as_str()
                .unwrap_or_default();
            let mut report = ItemReport {
                place: item.place.clone(),
                kind: item.kind,
                id: id.trim().to_owned(),
                outcome: None,
                findings,
            };
            if let Some(resource) = resource {
                taken.push((reports.len(), resource.clone()));
                let outcome = take_over(&mut transaction, resource, author, now).await?;
                report.outcome = Some(outcome);
            }
            reports.push(report);
        }
        // Only now is everything there that they may refer to.
        for (i, resource) in taken {
            look_up(&mut transaction, &resource, &mut reports[i].findings).await?;
        }
        if !dry_run && reports.iter().all(|report| report.outcome.is_some()) {
            transaction.commit().await?;
        }
        Ok(reports)
    }
}

async fn take_over(
    transaction: &mut Transaction,
    resource: Resource,
    author: Author<'_>,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let kind = resource.kind();
    let stored = rows::get_for_update(transaction, kind.as_str(), resource.id()).await?;
    let Some(stored) = stored else {
        let prepared = change::creation(resource, Origin::File, author.name, now);
        write(transaction, &prepared, "create", author, now).await?;
        return Ok(Outcome::Created);
    };
    let before = parsed(kind, &stored)?;
    let Some(prepared) = change::replacement(&before, resource, author.name, now) else {
        return Ok(Outcome::Unchanged);
    };
    write(transaction, &prepared, "update", author, now).await?;
    Ok(Outcome::Updated {
        fields: prepared.fields,
        version: prepared.version,
    })
}

async fn current(
    transaction: &mut Transaction,
    kind: Kind,
    id: &str,
    basis: &Basis,
) -> Result<Stored, StoreError> {
    let stored = rows::get_for_update(transaction, kind.as_str(), id).await?;
    let stored = stored.ok_or(StoreError::NotFound { kind })?;
    match basis {
        Basis::OneOf(revisions) if !revisions.contains(&stored.revision) => {
            Err(StoreError::Stale {
                revision: stored.revision,
            })
        }
        Basis::Any | Basis::OneOf(_) => Ok(stored),
    }
}

fn parsed(kind: Kind, stored: &Stored) -> Result<Resource, StoreError> {
    let value = serde_json::from_str(&stored.document);
    let resource = value.and_then(|value| Resource::from_checked(kind, value));
    resource.map_err(|error| StoreError::Unreadable {
        kind,
        id: stored.id.clone(),
        reason: error.to_string(),
    })
}

async fn write(
    transaction: &mut Transaction,
    prepared: &Prepared,
    action: &'static str,
    author: Author<'_>,
    now: Timestamp,
) -> Result<Stored, DbError> {
    let resource = &prepared.resource;
    let (kind, id) = (resource.kind(), resource.id());
    let revision = rows::last_revision(transaction, kind.as_str(), id).await? + 1;
    let row = row(prepared, revision, now);
    rows::save(transaction, &row).await?;
    let history = HistoryRow {
        revision,
        version: prepared.version.clone(),
        change_type: prepared.change.map(|change| change.as_str().to_owned()),
        changed_at: now,
        changed_by: author.name.to_owned(),
        summary: prepared.summary.clone(),
        fields: prepared.fields.clone(),
        document: Some(row.document.clone()),
    };
    rows::add_history(transaction, kind.as_str(), id, &history).await?;
    audit(transaction, (kind, id, revision), action, author, now).await?;
    Ok(Stored {
        id: row.id,
        revision,
        document: row.document,
    })
}

async fn audit(
    transaction: &mut Transaction,
    (kind, id, revision): (Kind, &str, i64),
    action: &str,
    author: Author<'_>,
    now: Timestamp,
) -> Result<(), DbError> {
    let row = AuditRow {
        at: now,
        actor: author.name,
        source: author.source,
        action,
        kind: kind.as_str(),
        target: id,
        revision,
    };
    rows::add_audit(transaction, row).await
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

/// Warns of references to what is not there.
async fn look_up(
    transaction: &mut Transaction,
    resource: &Resource,
    findings: &mut Findings,
) -> Result<(), DbError> {
    let references = resource.references();
    for kind in Kind::ALL {
        let wanted: BTreeSet<&str> = references
            .iter()
            .filter(|(_, of, _)| *of == kind)
            .map(|(_, _, value)| *value)
            .collect();
        if wanted.is_empty() {
            continue;
        }
        // Metrics name their domain, and refer to all else by its identifier.
        let column = match kind {
            Kind::Domain => Column::Name,
            Kind::Metric | Kind::Objective => Column::Id,
        };
        let wanted: Vec<&str> = wanted.into_iter().collect();
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

#[cfg(test)]
mod tests;
