//! Resources in the database: each write one transaction of document, history and audit, with the revision it was based on.
//!
//! References to other resources are not enforced, as either may come first: what refers to nothing is a warning.
//!
//! ```text
//! create, update, remove ─▶ write (one of them in a transaction) ─▶ db::definitions
//! batch, import, replace ─▶ batch (many in one transaction)  ─▶ write
//! restore, sync          ─▶ write
//! ```

pub mod batch;
pub mod managed;
mod restore;
mod write;

use serde_json::{Map, Value};

use self::write::Writer;
use super::change::Merge;
use super::check::{Checks, Findings};
use super::metric::Metric;
use super::resource::{Kind, Resource};
use crate::db::DbError;
use crate::db::definitions::{self as rows, Column, Filter, Stored};
use crate::db::sql::Sql;
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
    /// `api`, `cli` or `file`.
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
    /// It is gone.
    Removed,
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
    /// It comes from a file of the directory of definitions.
    #[error("it comes from {file}; change it there")]
    ReadOnly {
        /// The file's name.
        file: String,
    },
    /// It has no such revision.
    #[error("there is no revision {revision} to go back to")]
    NoRevision {
        /// The one asked for.
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
            all.extend(self.of_kind(kind).await?);
        }
        Ok(all)
    }

    /// All metrics, by name.
    ///
    /// # Errors
    /// Where the database cannot be read, or what it holds does not fit.
    pub async fn metrics(&self) -> Result<Vec<Metric>, StoreError> {
        let all = self.of_kind(Kind::Metric).await?.into_iter();
        let metrics = all.filter_map(|resource| match resource {
            Resource::Metric(metric) => Some(*metric),
            Resource::Domain(_) | Resource::Objective(_) => None,
        });
        Ok(metrics.collect())
    }

    /// All resources of a kind, by name.
    ///
    /// # Errors
    /// Where the database cannot be read, or what it holds does not fit.
    pub async fn of_kind(&self, kind: Kind) -> Result<Vec<Resource>, StoreError> {
        self.where_equal(kind, Vec::new()).await
    }

    /// The resources of a kind that have these values, by name.
    ///
    /// # Errors
    /// Where the database cannot be read, or what it holds does not fit.
    pub async fn where_equal(
        &self,
        kind: Kind,
        equal: Vec<(Column, String)>,
    ) -> Result<Vec<Resource>, StoreError> {
        let filter = Filter {
            equal,
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
        let mut writer = self.writer(author, now).await?;
        let mut written = writer.create(resource, findings).await?;
        writer.look_up(&mut written).await?;
        writer.commit().await?;
        Ok(written.saved)
    }

    /// Changes a resource; where nothing changes nothing is written.
    ///
    /// # Errors
    /// Where there is none, it was changed since, the outcome breaks rules, or it cannot be written.
    #[tracing::instrument(target = "outrigger::step", level = "debug", name = "Storage.update", skip_all, fields(component = "storage", kind = target.0.as_str()))]
    pub async fn update(
        &self,
        target: (Kind, &str),
        body: &Map<String, Value>,
        merge: Merge,
        basis: &Basis,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mut writer = self.writer(author, now).await?;
        let mut written = writer.update(target, body, merge, basis).await?;
        writer.look_up(&mut written).await?;
        writer.commit().await?;
        Ok(written.saved)
    }

    /// Removes a resource; its history stays.
    ///
    /// # Errors
    /// Where there is none, it was changed since, or it cannot be removed.
    #[tracing::instrument(target = "outrigger::step", level = "debug", name = "Storage.delete", skip_all, fields(component = "storage", kind = target.0.as_str()))]
    pub async fn remove(
        &self,
        target: (Kind, &str),
        basis: &Basis,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer(author, now).await?;
        writer.remove(target, basis).await?;
        writer.commit().await?;
        Ok(())
    }

    async fn writer<'a>(
        &self,
        author: Author<'a>,
        now: Timestamp,
    ) -> Result<Writer<'a>, StoreError> {
        let transaction = self.database.begin().await?;
        Ok(Writer::new(transaction, self.checks, author, now))
    }
}

fn parsed(kind: Kind, stored: &Stored) -> Result<Resource, StoreError> {
    document(kind, &stored.id, &stored.document)
}

fn document(kind: Kind, id: &str, text: &str) -> Result<Resource, StoreError> {
    let value = serde_json::from_str(text);
    let resource = value.and_then(|value| Resource::from_checked(kind, value));
    resource.map_err(|error| StoreError::Unreadable {
        kind,
        id: id.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
