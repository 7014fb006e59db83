//! Facts about the pod, from Kubernetes's downward API: variables handed in, and files with labels and annotations.
//!
//! ```text
//! variables                         /etc/podinfo/labels and /etc/podinfo/annotations
//!   POD_NAME POD_NAMESPACE            app="checkout"
//!   NODE_NAME POD_IP POD_UID          prometheus.io/port="8080"
//! ```
//!
//! The files are a volume that Kubernetes rewrites; [`Pod::load`] reads them as they are now. See
//! <https://kubernetes.io/docs/concepts/workloads/pods/downward-api/>. No call to the Kubernetes API is ever made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the downward API volume is mounted by convention.
pub const PODINFO: &str = "/etc/podinfo";
/// The largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The variables that are looked at.
pub const VARIABLES: [&str; 7] = [
    "POD_NAME",
    "POD_NAMESPACE",
    "POD_IP",
    "POD_UID",
    "POD_SERVICE_ACCOUNT",
    "NODE_NAME",
    "HOST_IP",
];

/// The pod this process runs in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pod {
    /// `POD_NAME`.
    pub name: String,
    /// `POD_NAMESPACE`.
    pub namespace: String,
    /// `NODE_NAME`.
    pub node: String,
    /// `POD_IP`.
    pub ip: String,
    /// `POD_UID`.
    pub uid: String,
    /// `POD_SERVICE_ACCOUNT`.
    pub service_account: String,
    /// `HOST_IP`.
    pub host_ip: String,
    /// The pod's labels.
    pub labels: BTreeMap<String, String>,
    /// The pod's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What the pod's annotations ask to be scraped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PodScrape {
    /// `http` or `https`.
    pub scheme: String,
    /// The port on 127.0.0.1, which all containers of a pod share.
    pub port: u16,
    /// The path, beginning with `/`.
    pub path: String,
}

/// Why the pod's facts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// A file is there but unreadable.
    #[error("read {path:?}: {source}; check the downward API volume")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A line is not `key="value"`.
    #[error("read {path:?}, line {line}: expected key=\"value\"; mount a downward API volume here")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An annotation asks for something that cannot be done.
    #[error("annotation {annotation} has no usable value {value:?}; write {wanted}")]
    Annotation {
        /// Its name.
        annotation: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
}

impl Pod {
    /// The pod's facts; `None` where neither variables nor files tell of a pod.
    ///
    /// # Errors
    /// Where a file is there but cannot be read.
    pub fn load(
        variables: &BTreeMap<String, String>,
        podinfo: &Path,
    ) -> Result<Option<Self>, PodError> {
        let text = |name: &str| variables.get(name).cloned().unwrap_or_default();
        let pod = Self {
            name: text("POD_NAME"),
            namespace: text("POD_NAMESPACE"),
            node: text("NODE_NAME"),
            ip: text("POD_IP"),
            uid: text("POD_UID"),
            service_account: text("POD_SERVICE_ACCOUNT"),
            host_ip: text("HOST_IP"),
            labels: read_pairs(&podinfo.join("labels"))?,
            annotations: read_pairs(&podinfo.join("annotations"))?,
        };
        Ok((pod != Self::default()).then_some(pod))
    }

    /// The facts as discovery labels, for relabelling; names of pod labels and annotations are sanitised as Prometheus
    /// does (`[^a-zA-Z0-9_]` becomes `_`).
    pub fn meta_labels(&self) -> Vec<(String, String)> {
        let mut labels = Vec::new();
        let mut add = |name: String, value: &String| {
            if !value.is_empty() {
                labels.push((format!("__meta_outrigger_pod_{name}"), value.clone()));
            }
        };
        add("name".into(), &self.name);
        add("namespace".into(), &self.namespace);
        add("node".into(), &self.node);
        add("ip".into(), &self.ip);
        add("uid".into(), &self.uid);
        add("service_account".into(), &self.service_account);
        add("host_ip".into(), &self.host_ip);
        for (name, value) in &self.labels {
            add(format!("label_{}", sanitise(name)), value);
        }
        for (name, value) in &self.annotations {
            add(format!("annotation_{}", sanitise(name)), value);
        }
        labels
    }

    /// What `prometheus.io/scrape`, `port`, `path` and `scheme` ask for; `None` where they do not.
    ///
    /// # Errors
    /// Where a value makes no sense.
    pub fn scrape(&self) -> Result<Option<PodScrape>, PodError> {
        let get = |name: &str| self.annotations.get(name).map(String::as_str);
        let wrong = |annotation, value: &str, wanted| PodError::Annotation {
            annotation,
            value: value.to_owned(),
            wanted,
        };
        match get("prometheus.io/scrape") {
            Some("true") => {}
            None | Some("false") => return Ok(None),
            Some(other) => return Err(wrong("prometheus.io/scrape", other, "true or false")),
        }
        let port = get("prometheus.io/port").unwrap_or("80");
        let port = port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| wrong("prometheus.io/port", port, "a port number"))?;
        let scheme = get("prometheus.io/scheme").unwrap_or("http");
        if !matches!(scheme, "http" | "https") {
            return Err(wrong("prometheus.io/scheme", scheme, "http or https"));
        }
        let path = get("prometheus.io/path").unwrap_or("/metrics");
        Ok(Some(PodScrape {
            scheme: scheme.to_owned(),
            port,
            path: format!("/{}", path.trim_start_matches('/')),
        }))
    }
}

/// A name as a label may be called.
pub fn sanitise(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars()
        .map(|c| if keep(c) { c } else { '_' })
        .collect()
}

fn read_pairs(path: &Path) -> Result<BTreeMap<String, String>, PodError> {
    let failed = |source| PodError::Read {
        path: path.to_path_buf(),
        source,
    };
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            return Err(failed(std::io::Error::other(
                "the file is larger than 1 MiB",
            )));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(error)),
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    parse_pairs(&text).map_err(|line| PodError::Line {
        path: path.to_path_buf(),
        line,
    })
}

/// Reads `key="value"` lines, values quoted as Go's `%q` writes them; the line's number where one is not.
fn parse_pairs(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut pairs = BTreeMap::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let pair = line.split_once('=').and_then(|(key, quoted)| {
            let inner = quoted.trim().strip_prefix('"')?.strip_suffix('"')?;
            Some((key.trim(), unquote(inner)?))
        });
        let (key, value) = pair.ok_or(i + 1)?;
        pairs.insert(key.to_owned(), value);
    }
    Ok(pairs)
}

/// Go's escapes. Bytes are gathered, since several `\\x..` may make one character.
fn unquote(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let plain = match c {
            '"' => return None,
            '\\' => match rest.next()? {
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                same @ ('\\' | '"' | '\'') => same,
                'x' => {
                    out.push(u8::try_from(hex(&mut rest, 2)?).ok()?);
                    continue;
                }
                'u' => char::from_u32(hex(&mut rest, 4)?)?,
                'U' => char::from_u32(hex(&mut rest, 8)?)?,
                _ => return None,
            },
            plain => plain,
        };
        out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
    }
    String::from_utf8(out).ok()
}

fn hex(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<u32> {
    let text: String = rest.take(digits).collect();
    if text.len() != digits {
        return None;
    }
    u32::from_str_radix(&text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downward_api_files_are_read_with_gos_escapes() {
        let text = "app=\"checkout\"\nnote=\"a \\\"b\\\"\\nc\\u00e9\\xc3\\xa9\"\n\nkubernetes.io/x=\"y=z\"\n";
        let pairs = parse_pairs(text).unwrap();
        assert_eq!(pairs["app"], "checkout");
        assert_eq!(pairs["note"], "a \"b\"\nc\u{e9}\u{e9}");
        assert_eq!(pairs["kubernetes.io/x"], "y=z");
        assert_eq!(parse_pairs("a=\"b\"\nbroken\n"), Err(2));
        assert_eq!(parse_pairs("a=\"b\\q\""), Err(1));
    }

    #[test]
    fn facts_come_from_variables_and_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("labels"), "app.kubernetes.io/name=\"shop\"").unwrap();
        let variables = BTreeMap::from([("POD_NAME".to_owned(), "shop-1".to_owned())]);
        let pod = Pod::load(&variables, dir.path()).unwrap().unwrap();
        assert_eq!(
            pod.meta_labels(),
            [
                ("__meta_outrigger_pod_name".to_owned(), "shop-1".to_owned()),
                (
                    "__meta_outrigger_pod_label_app_kubernetes_io_name".to_owned(),
                    "shop".to_owned()
                ),
            ]
        );
        let nowhere = Pod::load(&BTreeMap::new(), Path::new("/nowhere")).unwrap();
        assert_eq!(nowhere, None);
    }

    #[test]
    fn annotations_ask_to_be_scraped() {
        let check = |pairs: &[(&str, &str)], want: Result<Option<(&str, u16, &str)>, &str>| {
            let annotations = pairs
                .iter()
                .map(|(name, value)| (format!("prometheus.io/{name}"), (*value).to_owned()))
                .collect();
            let pod = Pod {
                annotations,
                ..Pod::default()
            };
            let got = pod.scrape().map_err(|error| error.to_string());
            match (got, want) {
                (Ok(got), Ok(want)) => {
                    let want = want.map(|(scheme, port, path)| PodScrape {
                        scheme: scheme.to_owned(),
                        port,
                        path: path.to_owned(),
                    });
                    assert_eq!(got, want, "{pairs:?}");
                }
                (Err(got), Err(want)) => assert!(got.contains(want), "{got}"),
                (got, want) => panic!("{got:?} instead of {want:?}"),
            }
        };
        check(&[], Ok(None));
        check(&[("scrape", "false"), ("port", "1")], Ok(None));
        check(&[("scrape", "true")], Ok(Some(("http", 80, "/metrics"))));
        check(
            &[("scrape", "true"), ("port", "8080"), ("path", "m")],
            Ok(Some(("http", 8080, "/m"))),
        );
        check(
            &[("scrape", "true"), ("port", "x")],
            Err("prometheus.io/port"),
        );
        check(&[("scrape", "yes")], Err("prometheus.io/scrape"));
    }
}
