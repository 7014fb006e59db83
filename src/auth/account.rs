//! Accounts, and what their fields may be.

use std::fmt;
use std::str::FromStr;

use super::password;
use super::role::Role;
use crate::db::auth::UserRow;
use crate::model::secret::Secret;

/// Whether somebody may log in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// Yes.
    Active,
    /// Not at present.
    Inactive,
    /// Not any more.
    Suspended,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Suspended];

    /// As written in answers, requests and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Suspended => "suspended",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| "must be one of active, inactive, suspended".to_owned())
    }
}

/// The role of a row; the least where it does not read, so that nobody gains by it.
pub fn role_of(row: &UserRow) -> Role {
    row.role.parse().unwrap_or(Role::Viewer)
}

/// The status of a row; suspended where it does not read.
pub fn status_of(row: &UserRow) -> Status {
    row.status.parse().unwrap_or(Status::Suspended)
}

/// What is wrong with a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldError {
    /// The field.
    pub field: &'static str,
    /// What it must be.
    pub message: String,
}

/// A new account.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name to log in with.
    pub username: String,
    /// The address.
    pub email: String,
    /// As people call him.
    pub full_name: String,
    /// The password.
    pub password: Secret,
    /// The role.
    pub role: Role,
}

impl NewUser {
    /// With blanks taken off and the address in lower case.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn checked(mut self) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        self.email = self.email.trim().to_lowercase();
        self.full_name = self.full_name.trim().to_owned();
        let mut note = |field, checked: Result<(), String>| {
            if let Err(message) = checked {
                errors.push(FieldError { field, message });
            }
        };
        note("username", check_username(&self.username));
        note("email", check_email(&self.email));
        note("full_name", check_full_name(&self.full_name));
        note(
            "password",
            password::check(self.password.expose(), &self.username),
        );
        if errors.is_empty() {
            Ok(self)
        } else {
            Err(errors)
        }
    }
}

/// 3 to 50 letters, digits, `_` and `-`.
///
/// # Errors
/// What it must be.
pub fn check_username(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !(3..=50).contains(&name.len()) || !name.bytes().all(plain) {
        return Err("username must be 3 to 50 letters, digits, _ or -".to_owned());
    }
    Ok(())
}

/// A name of 1 to 100 characters.
///
/// # Errors
/// What it must be.
pub fn check_full_name(name: &str) -> Result<(), String> {
    let length = name.chars().count();
    if !(1..=100).contains(&length) || name.chars().any(char::is_control) {
        return Err("full_name must have 1 to 100 characters".to_owned());
    }
    Ok(())
}

/// Names that no address on the Internet ends in (RFC 6761, RFC 6762, RFC 7686, RFC 9476).
const NOWHERE: [&str; 8] = [
    "local",
    "localhost",
    "invalid",
    "test",
    "example",
    "onion",
    "alt",
    "internal",
];

/// An address such as `ann@shop.example.org`, in lower case.
///
/// # Errors
/// What it must be.
pub fn check_email(email: &str) -> Result<(), String> {
    let wrong = || Err("email must be an address such as ann@example.org".to_owned());
    if email.len() > 254 || email.parse::<lettre::Address>().is_err() {
        return wrong();
    }
    let Some((_, domain)) = email.rsplit_once('@') else {
        return wrong();
    };
    let Some((_, last)) = domain.rsplit_once('.') else {
        return wrong();
    };
    let named = last.len() >= 2
        && (last.bytes().all(|byte| byte.is_ascii_lowercase()) || last.starts_with("xn--"));
    if !named || NOWHERE.contains(&last) {
        return Err(format!("email must not end in .{last}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_held_to_their_rules() {
        let check = |checked: Result<(), String>, want: bool| assert_eq!(checked.is_ok(), want);
        for (name, good) in [
            ("ada", true),
            ("Ada_L-1", true),
            ("ad", false),
            ("ada lovelace", false),
            ("ädä", false),
            ("", false),
        ] {
            check(check_username(name), good);
        }
        check(check_username(&"a".repeat(51)), false);
        for (email, good) in [
            ("a@example.org", true),
            ("a.b+c@mail.example.co.uk", true),
            ("a@example", false),
            ("a@x.local", false),
            ("a@127.0.0.1", false),
            ("a", false),
            ("a@b@c.org", false),
            ("a b@c.org", false),
            ("a@c.org\r\nBcc: x@y.org", false),
        ] {
            check(
                check_email(email).map_err(|e| format!("{email}: {e}")),
                good,
            );
        }
        check(check_full_name(""), false);
        check(check_full_name("Ada\nLovelace"), false);
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_no_password_with_them() {
        let user = NewUser {
            username: "a".to_owned(),
            email: "b".to_owned(),
            full_name: " ".to_owned(),
            password: Secret::new("hunter2"),
            role: Role::Viewer,
        };
        let errors = user.checked().unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["username", "email", "full_name", "password"]);
        assert!(
            errors
                .iter()
                .all(|error| !error.message.contains("hunter2"))
        );
    }
}
