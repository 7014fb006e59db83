//! Authentication over a database, with time moved by hand.

use std::net::{IpAddr, Ipv4Addr};

use super::super::account::{NewUser, Status};
use super::super::caller::Caller;
use super::super::error::AuthError;
use super::super::password::Cost;
use super::super::role::{Role, Scope};
use super::*;
use crate::db::sql::testing::{Engine, Fresh, over_both_engines};
use crate::model::secret::Secret;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "Passw0rd! of ours";

struct Place {
    auth: Auth,
    clock: Clock,
    fresh: Fresh,
}

impl Place {
    async fn new(fresh: Fresh) -> Self {
        let database = fresh.open().await;
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let config = AuthConfig {
            enabled: true,
            password: Cost {
                memory_kib: 8 * 1024,
                iterations: 1,
                concurrency: 2,
            },
            ..AuthConfig::default()
        };
        Self {
            auth: Auth::new(config, database, clock.clone(), Metrics::default()),
            clock,
            fresh,
        }
    }

    /// What another process does at the same database.
    async fn elsewhere(&self) -> Auth {
        let database = self.fresh.open().await;
        let config = self.auth.config().clone();
        Auth::new(config, database, self.clock.clone(), Metrics::default())
    }

    async fn user(&self, name: &str, role: Role) -> UserRow {
        self.auth.add_user(new_user(name, role)).await.unwrap()
    }

    async fn log_in(&self, name: &str) -> Result<Tokens, AuthError> {
        let password = Secret::new(PASSWORD);
        let user = self.auth.check_password(name, &password, HERE).await?;
        self.auth.begin_session(&user).await
    }

    async fn role(&self, token: &Secret) -> Result<Role, String> {
        let found = self.auth.bearer(token.expose()).await;
        found
            .map(|identity| identity.role)
            .map_err(|error| error.to_string())
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn new_user(name: &str, role: Role) -> NewUser {
    NewUser {
        username: name.to_owned(),
        email: format!("{name}@Example.org "),
        full_name: "Somebody".to_owned(),
        password: Secret::new(PASSWORD),
        role,
    }
}

const INVALID: &str = "invalid access token";

async fn an_access_token_lasts_a_quarter_of_an_hour_and_holds_after_a_restart(fresh: Fresh) {
    let place = Place::new(fresh).await;
    place.user("ada", Role::Editor).await;
    let tokens = place.log_in("ADA").await.unwrap();
    assert_eq!(tokens.expires_in, 900);
    assert_eq!(place.role(&tokens.access).await, Ok(Role::Editor));
    place.wait(899);
    assert_eq!(place.role(&tokens.access).await, Ok(Role::Editor));
    let restarted = place.elsewhere().await;
    assert!(restarted.bearer(tokens.access.expose()).await.is_ok());
    place.wait(1);
    let expired = Err("access token expired".to_owned());
    assert_eq!(place.role(&tokens.access).await, expired);
    let keys = place.auth.key_set().await.unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
}

async fn a_replayed_refresh_token_ends_its_session_and_no_other(fresh: Fresh) {
    let place = Place::new(fresh).await;
    place.user("ada", Role::Viewer).await;
    let other = place.log_in("ada").await.unwrap();
    let first = place.log_in("ada").await.unwrap();
    let second = place.auth.refresh(first.refresh.expose()).await.unwrap();
    // A race is refused, and harms nobody.
    place.wait(1);
    let raced = place.auth.refresh(first.refresh.expose()).await;
    assert!(matches!(raced, Err(AuthError::Raced)), "{raced:?}");
    let third = place.auth.refresh(second.refresh.expose()).await.unwrap();
    assert_eq!(place.role(&third.access).await, Ok(Role::Viewer));
    // Theft ends all that descends from the login.
    place.wait(5);
    let replayed = place.auth.refresh(second.refresh.expose()).await;
    assert!(matches!(replayed, Err(AuthError::Refresh)), "{replayed:?}");
    assert!(place.auth.refresh(third.refresh.expose()).await.is_err());
    for ended in [&first, &second, &third] {
        assert_eq!(place.role(&ended.access).await, Err(INVALID.to_owned()));
    }
    assert_eq!(place.role(&other.access).await, Ok(Role::Viewer));
    assert!(place.auth.refresh(other.refresh.expose()).await.is_ok());
    assert!(place.auth.refresh("mdr_").await.is_err());
}

async fn a_refresh_token_ends_after_a_week_without_use(fresh: Fresh) {
    let place = Place::new(fresh).await;
    place.user("ada", Role::Viewer).await;
    let mut tokens = place.log_in("ada").await.unwrap();
    for _ in 0..3 {
        place.wait(6 * 24 * 3600);
        tokens = place.auth.refresh(tokens.refresh.expose()).await.unwrap();
    }
    place.wait(7 * 24 * 3600);
    assert!(place.auth.refresh(tokens.refresh.expose()).await.is_err());
}

async fn who_is_suspended_demoted_or_deleted_is_so_at_once(fresh: Fresh) {
    let place = Place::new(fresh).await;
    let ada = place.user("ada", Role::Admin).await;
    let tokens = place.log_in("ada").await.unwrap();
    assert_eq!(place.role(&tokens.access).await, Ok(Role::Admin));
    let change = |changes| place.auth.change_user(&ada.id, changes);
    let role = |role| Changes {
        role: Some(role),
        ..Changes::default()
    };
    let status = |status| Changes {
        status: Some(status),
        ..Changes::default()
    };
    change(role(Role::Viewer)).await.unwrap();
    assert_eq!(place.role(&tokens.access).await, Ok(Role::Viewer));
    change(status(Status::Suspended)).await.unwrap();
    assert_eq!(place.role(&tokens.access).await, Err(INVALID.to_owned()));
    assert!(place.auth.refresh(tokens.refresh.expose()).await.is_err());
    let login = place.log_in("ada").await.unwrap_err();
    assert_eq!(login.to_string(), "Invalid username or password");
    // Being active again does not bring old tokens back.
    change(status(Status::Active)).await.unwrap();
    assert_eq!(place.role(&tokens.access).await, Err(INVALID.to_owned()));
    let tokens = place.log_in("ada").await.unwrap();
    place.auth.delete_user(&ada.id).await.unwrap();
    assert_eq!(place.role(&tokens.access).await, Err(INVALID.to_owned()));
    assert!(place.auth.refresh(tokens.refresh.expose()).await.is_err());
}

async fn what_another_process_changes_counts_within_a_second_or_two(fresh: Fresh) {
    let place = Place::new(fresh).await;
    let ada = place.user("ada", Role::Editor).await;
    let tokens = place.log_in("ada").await.unwrap();
    assert_eq!(place.role(&tokens.access).await, Ok(Role::Editor));
    let elsewhere = place.elsewhere().await;
    elsewhere.log_out_everywhere(&ada.id).await.unwrap();
    place.wait(2);
    assert_eq!(place.role(&tokens.access).await, Err(INVALID.to_owned()));
}

async fn a_new_password_logs_out_everywhere_and_the_old_one_is_worth_nothing(fresh: Fresh) {
    let place = Place::new(fresh).await;
    let ada = place.user("ada", Role::Viewer).await;
    let tokens = place.log_in("ada").await.unwrap();
    let cookie = place.auth.begin_browser_session(&ada).await.unwrap();
    assert!(place.auth.cookie(cookie.expose()).await.unwrap().is_some());
    let change = |current: &str, new: &str| {
        let (current, new) = (Secret::new(current), Secret::new(new));
        let (auth, id) = (place.auth.clone(), ada.id.clone());
        async move { auth.change_password(&id, &current, &new, HERE).await }
    };
    let wrong = change("no", "Another one!1").await.unwrap_err();
    assert!(wrong.to_string().contains("Invalid"));
    let weak = change(PASSWORD, "weak").await.unwrap_err();
    assert!(weak.to_string().contains("password"));
    assert_eq!(place.role(&tokens.access).await, Ok(Role::Viewer));
    change(PASSWORD, "Another one!1").await.unwrap();
    assert_eq!(place.role(&tokens.access).await, Err(INVALID.to_owned()));
    assert!(place.auth.refresh(tokens.refresh.expose()).await.is_err());
    assert!(place.auth.cookie(cookie.expose()).await.unwrap().is_none());
    assert!(place.log_in("ada").await.is_err());
}

async fn a_key_may_what_its_scopes_and_its_owners_role_allow(fresh: Fresh) {
    let place = Place::new(fresh).await;
    let ada = place.user("ada", Role::Editor).await;
    let key = |scopes: &[Scope]| NewKey {
        name: "ci".to_owned(),
        scopes: scopes.iter().copied().collect(),
        ..NewKey::default()
    };
    let above = place.auth.add_key(&ada.id, key(&[Scope::Admin])).await;
    let above = above.unwrap_err().to_string();
    assert!(above.contains("above the role editor: admin"), "{above}");
    assert!(place.auth.add_key(&ada.id, key(&[])).await.is_err());
    let past = NewKey {
        expires_at: Some(place.clock.now()),
        ..key(&[Scope::MetricsRead])
    };
    assert!(place.auth.add_key(&ada.id, past).await.is_err());
    let end = NewKey {
        expires_at: Some(place.clock.now() + Duration::from_secs(60)),
        ..key(&[Scope::MetricsWrite])
    };
    let made = place.auth.add_key(&ada.id, end).await.unwrap();
    assert!(!made.row.hash.contains(&made.key.expose()[4..]));
    let caller = async || {
        let found = place.auth.bearer(made.key.expose()).await;
        found.map(Caller::User).map_err(|error| error.to_string())
    };
    let may = |caller: &Caller, scope| caller.allowed(Role::Viewer, scope).is_ok();
    let found = caller().await.unwrap();
    assert!(may(&found, Scope::MetricsWrite) && may(&found, Scope::MetricsRead));
    assert!(!may(&found, Scope::DomainsRead) && !may(&found, Scope::MonitoringWrite));
    let stored = place.auth.key(&made.row.id).await.unwrap();
    assert_eq!(stored.last_used_at, Some(place.clock.now()));
    let demoted = Changes {
        role: Some(Role::Viewer),
        ..Changes::default()
    };
    place.auth.change_user(&ada.id, demoted).await.unwrap();
    let found = caller().await.unwrap();
    assert!(!may(&found, Scope::MetricsWrite) && may(&found, Scope::MetricsRead));
    place.wait(60);
    assert_eq!(caller().await.unwrap_err(), "invalid API key");
    let made = place
        .auth
        .add_key(&ada.id, key(&[Scope::MetricsRead]))
        .await;
    let made = made.unwrap();
    assert!(place.auth.bearer(made.key.expose()).await.is_ok());
    place.auth.revoke_key(&made.row.id).await.unwrap();
    assert!(place.auth.bearer(made.key.expose()).await.is_err());
}

async fn failures_lock_known_and_unknown_names_alike(fresh: Fresh) {
    let place = Place::new(fresh).await;
    place.user("ada", Role::Viewer).await;
    for name in ["ada", "nobody"] {
        let mut said = Vec::new();
        for _ in 0..6 {
            let wrong = Secret::new("wrong password");
            let failed = place.auth.check_password(name, &wrong, HERE).await;
            said.push(failed.unwrap_err().to_string());
        }
        let mut want = vec!["Invalid username or password"; 5];
        want.push("too many failed logins; try again later");
        assert_eq!(said, want, "{name}");
    }
    // The right password does not help before the lock ends.
    assert!(place.log_in("ada").await.is_err());
    place.wait(60);
    assert!(place.log_in("ada").await.is_ok());
}

async fn names_and_addresses_are_taken_whatever_their_case(fresh: Fresh) {
    let place = Place::new(fresh).await;
    place.user("ada", Role::Viewer).await;
    let taken = async |name: &str, email: &str| {
        let mut user = new_user(name, Role::Viewer);
        user.email = email.to_owned();
        place.auth.add_user(user).await.unwrap_err().to_string()
    };
    assert_eq!(taken("ADA", "b@example.org").await, "username is taken");
    assert_eq!(taken("bob", "ADA@example.org").await, "email is taken");
    let closed = place.auth.register(new_user("bob", Role::Viewer)).await;
    assert!(matches!(closed, Err(AuthError::RegistrationClosed)));
}

async fn keys_are_replaced_and_old_tokens_still_read(fresh: Fresh) {
    let place = Place::new(fresh).await;
    place.user("ada", Role::Viewer).await;
    let before = place.log_in("ada").await.unwrap();
    let ids = async || {
        let set = place.auth.key_set().await.unwrap();
        let keys = set["keys"].as_array().unwrap().clone();
        keys.iter()
            .map(|key| key["kid"].to_string())
            .collect::<Vec<_>>()
    };
    let first = ids().await;
    place.wait(30 * 24 * 3600 - 3600);
    let both = ids().await;
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    let tokens = place.log_in("ada").await.unwrap();
    place.wait(3600);
    // The next one signs, and the last one's tokens are read until they end.
    let after = place.log_in("ada").await.unwrap();
    assert_ne!(
        super::super::jwt::key_id(tokens.access.expose()),
        super::super::jwt::key_id(after.access.expose())
    );
    assert_eq!(place.role(&after.access).await, Ok(Role::Viewer));
    assert_eq!(
        place.role(&tokens.access).await,
        Err("access token expired".to_owned())
    );
    place.wait(2 * 3600);
    assert_eq!(ids().await, both[1..]);
    assert_eq!(place.role(&before.access).await, Err(INVALID.to_owned()));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_file_with_the_keys() {
    use std::os::unix::fs::PermissionsExt;
    let fresh = Fresh::new(Engine::Sqlite, "").unwrap();
    let directory = fresh.file().parent().unwrap().to_owned();
    let place = Place::new(fresh).await;
    place.user("ada", Role::Viewer).await;
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

over_both_engines!(
    an_access_token_lasts_a_quarter_of_an_hour_and_holds_after_a_restart,
    a_replayed_refresh_token_ends_its_session_and_no_other,
    a_refresh_token_ends_after_a_week_without_use,
    who_is_suspended_demoted_or_deleted_is_so_at_once,
    what_another_process_changes_counts_within_a_second_or_two,
    a_new_password_logs_out_everywhere_and_the_old_one_is_worth_nothing,
    a_key_may_what_its_scopes_and_its_owners_role_allow,
    failures_lock_known_and_unknown_names_alike,
    names_and_addresses_are_taken_whatever_their_case,
    keys_are_replaced_and_old_tokens_still_read,
);
