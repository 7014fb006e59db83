//! What is around every page: who is signed in, the theme that was chosen, where one is.
//!
//! [`around`] knows it of the request, and lends it to whatever is rendered for the answer, so that no page has to carry it.
//! What is rendered without one (an error from outside of it) shows no person and the browser's own theme.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use super::see_other;
use crate::auth::caller::Caller;
use crate::http::context::Context;
use crate::http::identity::cookie;
use crate::http::live;
use crate::http::params::Params;

tokio::task_local! {
    static SHELL: Arc<Shell>;
}

/// The cookie that holds the theme.
const THEME_COOKIE: &str = "outrigger_theme";
/// How long a browser remembers it: a year, in seconds.
const REMEMBERED: u32 = 31_536_000;
/// The longest address that is come back to.
const LONGEST: usize = 2048;

/// What is around a page.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    /// Whether this stands in Alertmanager's place, which has no script, no theme and no accounts.
    pub plain: bool,
    /// Who is signed in, and as what.
    pub person: Option<(String, &'static str)>,
    /// Whether there is a way to sign in.
    pub accounts: bool,
    /// What was chosen.
    pub theme: Theme,
    /// How far what is shown has moved, for the script: `alerts=3 rules=17`.
    pub generations: String,
    /// The page's own address, to come back to.
    pub here: String,
}

/// Light or dark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Theme {
    /// As the browser has it.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// All that can be chosen.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    /// As the form and the cookie name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// What its button says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "Auto",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    fn parse(text: &str) -> Self {
        let found = Self::ALL.into_iter().find(|theme| theme.as_str() == text);
        found.unwrap_or_default()
    }

    fn of(headers: &HeaderMap) -> Self {
        cookie(headers, THEME_COOKIE).map_or(Self::Auto, Self::parse)
    }
}

impl Shell {
    /// Where one signs in, to come back here.
    pub fn login(&self) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("next", &self.here)
            .finish();
        format!("/login?{query}")
    }
}

/// The name that something is done under: that of the account where somebody is signed in, else what was written. Where there
/// are accounts and only a link was followed the name says so, so that it cannot be taken for an account's.
pub fn signature(written: &str) -> String {
    const BY_LINK: &str = " (by a link)";
    let shell = current();
    let written = written.trim();
    match &shell.person {
        Some((name, _)) => name.clone(),
        None if shell.accounts && !written.is_empty() && !written.ends_with(BY_LINK) => {
            format!("{written}{BY_LINK}")
        }
        None => written.to_owned(),
    }
}

/// What is around the page that is rendered now.
pub fn current() -> Arc<Shell> {
    SHELL.try_with(Arc::clone).unwrap_or_default()
}

/// Lends the shell to what answers; behind who finds out who asks.
pub async fn around<F: Future<Output = Response>>(
    context: &Context,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    // Nothing there is a page.
    if request.uri().path().starts_with("/api/") {
        return next(request).await;
    }
    let caller = request.extensions().get::<Caller>();
    let shell = Shell {
        plain: context.upstream_only,
        person: match caller {
            Some(Caller::User(identity)) => {
                Some((identity.name.to_string(), identity.role.as_str()))
            }
            Some(Caller::Anonymous(_)) | None => None,
        },
        accounts: context.auth.is_some(),
        theme: Theme::of(request.headers()),
        generations: live::as_text(&live::generations(context)),
        here: request.uri().path_and_query().map_or_else(
            || "/".to_owned(),
            |address| super::here(Some(address.as_str())).to_owned(),
        ),
    };
    SHELL.scope(Arc::new(shell), next(request)).await
}

/// `POST /theme`: remembers it, and goes back.
pub async fn choose(State(context): State<Arc<Context>>, params: Params) -> Response {
    let theme = Theme::parse(params.get("theme").unwrap_or_default());
    let next = params.get("next").filter(|next| next.len() <= LONGEST);
    let mut response = see_other(super::here(next));
    let configuration = context.configuration.borrow();
    let secure = match configuration.external_url.starts_with("https://") {
        true => "; Secure",
        false => "",
    };
    let cookie = format!(
        "{THEME_COOKIE}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={REMEMBERED}{secure}",
        theme.as_str()
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;

    use super::*;

    #[test]
    fn a_theme_is_read_from_its_cookie_and_nothing_else_is_one() {
        let check = |cookie: &'static str, want| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(cookie));
            assert_eq!(Theme::of(&headers), want, "{cookie}");
        };
        check("outrigger_session=x; outrigger_theme=dark", Theme::Dark);
        check("outrigger_theme=light", Theme::Light);
        check("outrigger_theme=\"><script>", Theme::Auto);
        check("theme=dark", Theme::Auto);
    }

    #[tokio::test]
    async fn what_is_done_bears_the_name_of_the_account() {
        let check = async |person: Option<&str>, accounts: bool, written: &str, want: &str| {
            let person = person.map(|name| (name.to_owned(), "editor"));
            let shell = Shell {
                person,
                accounts,
                ..Shell::default()
            };
            let found = SHELL.scope(Arc::new(shell), async { signature(written) });
            assert_eq!(found.await, want, "{written}");
        };
        check(Some("ada"), true, "grace", "ada").await;
        check(Some("ada"), true, "", "ada").await;
        check(None, true, "ada", "ada (by a link)").await;
        check(None, true, "ada (by a link)", "ada (by a link)").await;
        check(None, true, " ", "").await;
        check(None, false, " ann ", "ann").await;
    }

    #[tokio::test]
    async fn a_page_shows_who_is_signed_in_and_the_theme_that_was_chosen() {
        let shell = Shell {
            person: Some(("<b>ada</b>".to_owned(), "editor")),
            accounts: true,
            theme: Theme::Dark,
            here: "/runbooks?a=\"><b>".to_owned(),
            ..Shell::default()
        };
        let page = SHELL
            .scope(Arc::new(shell), async {
                super::super::error::render(404, "x")
            })
            .await;
        assert!(page.contains("data-theme=\"dark\""), "{page}");
        assert!(page.contains("action=\"/logout\""), "{page}");
        assert!(!page.contains("<b>"), "{page}");
        let bare = super::super::error::render(404, "x");
        assert!(
            bare.contains("data-theme=\"auto\"") && !bare.contains("/logout"),
            "{bare}"
        );
    }
}
