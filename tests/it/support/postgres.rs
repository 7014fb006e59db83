//! A real PostgreSQL of a test's own. Unit tests of the library include this file too, so it stands on nothing but std.
//!
//! A shell keeps the server: it does what it is told on its standard input, and when that ends, as it does when the test's
//! process ends in whatever way, it stops the server and removes its files. As root the server runs as the user `postgres`,
//! since it refuses root.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The password of its user `outrigger`.
pub(crate) const PASSWORD: &str = "quiet-words";

/// A running server. Locale and encoding are those of most: texts are not ordered by their bytes.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    keeper: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    port: u16,
}

const KEEPER: &str = r#"
set -u
bin=$1; dir=$2; port=$3; password=$4; as=
say() { printf '%s\n' "$*"; }
if [ "$(id -u)" = 0 ]; then
  as="setpriv --reuid=postgres --regid=postgres --clear-groups"
  chown postgres "$dir"
fi
printf '%s' "$password" >"$dir/password"; chmod 644 "$dir/password"
cd "$dir"
$as "$bin/initdb" -D "$dir/data" -U outrigger -N -E UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US \
  --auth-local=trust --auth-host=scram-sha-256 --pwfile="$dir/password" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
pid=
all() { say "$pid"; ps -o pid= --ppid "$pid"; }
start() {
  $as "$bin/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$dir" \
    -c fsync=off -c max_connections=300 >>"$dir/log" 2>&1 &
  pid=$!
  for i in $(seq 400); do
    "$bin/pg_isready" -q -h "$dir" -p "$port" -U outrigger && return 0
    kill -0 "$pid" 2>/dev/null || { cat "$dir/log"; return 1; }
    sleep 0.05
  done
  return 1
}
halt() { [ -z "$pid" ] || { kill -CONT $(all) 2>/dev/null; kill -QUIT "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }; pid=; }
# From a file with the key and then the certificate.
secure() {
  cp "$1" "$dir/server.pem"; chmod 600 "$dir/server.pem"; [ -z "$as" ] || chown postgres "$dir/server.pem"
  for setting in "ssl_cert_file = '$dir/server.pem'" "ssl_key_file = '$dir/server.pem'" "ssl = on"; do
    query "ALTER SYSTEM SET $setting"
  done
  kill -HUP "$pid"
  for i in $(seq 400); do
    [ "$(query 'SHOW ssl')" = on ] && return 0
    sleep 0.05
  done
  return 1
}
query() { "$bin/psql" -qXAt -v ON_ERROR_STOP=1 -h "$dir" -p "$port" -U outrigger -d postgres -c "$1" 2>&1; }
trap 'halt; cd /; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
while read -r what argument; do
  case $what in
    start) start ;;
    halt) halt ;;
    freeze) kill -STOP $(all) ;;
    thaw) kill -CONT $(all) ;;
    sql) query "$argument" ;;
    secure) secure "$argument" ;;
  esac && say ok || say failed
done
"#;

impl PostgresServer {
    /// Starts one; what is missing on this machine is the error.
    pub(crate) fn start() -> Result<Self, String> {
        let bin = programs().ok_or("PostgreSQL is not installed")?;
        let port = free_port();
        // The port is this process's for now, and so is the name.
        let name = format!("outrigger-pg-{}-{port}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).map_err(|error| error.to_string())?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args([&bin, &directory])
            .args([&port.to_string(), PASSWORD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let output = keeper.stdout.take().expect("standard output is a pipe");
        let mut server = Self {
            input: keeper.stdin.take(),
            output: BufReader::new(output),
            port,
            keeper,
        };
        server.tell("start");
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address of a database, with the password.
    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://outrigger:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Runs a statement in the database `postgres`; returns what it yields.
    pub(crate) fn sql(&mut self, statement: &str) -> String {
        assert!(!statement.contains('\n'), "one line");
        self.tell(&format!("sql {statement}"))
    }

    /// Lets it speak TLS, with the private key and certificate of a PEM file; a second time with others.
    pub(crate) fn secure(&mut self, pem: &Path) {
        self.tell(&format!("secure {}", pem.display()));
    }

    /// Makes a database.
    pub(crate) fn create(&mut self, database: &str) {
        self.sql(&format!("CREATE DATABASE {database}"));
    }

    /// Ends it as a crash does.
    pub(crate) fn halt(&mut self) {
        self.tell("halt");
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        self.tell("start");
    }

    /// Stops all its processes where they stand: connections stay open, and nothing is answered.
    pub(crate) fn freeze(&mut self) {
        self.tell("freeze");
    }

    /// Lets them go on.
    pub(crate) fn thaw(&mut self) {
        self.tell("thaw");
    }

    fn tell(&mut self, what: &str) -> String {
        let input = self.input.as_mut().expect("it is open until the end");
        writeln!(input, "{what}").expect("the keeper listens");
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).expect("the keeper talks");
            assert!(
                read > 0 && line != "failed\n",
                "PostgreSQL: {what}:\n{said}"
            );
            if line == "ok\n" {
                return said;
            }
            said.push_str(&line);
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Its input ends, and so does it.
        drop(self.input.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!("wait for the keeper of PostgreSQL: {error}");
        }
    }
}

/// Where its programs are: Debian keeps them off the `PATH`.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    found.sort();
    found.push(PathBuf::from("/usr/bin"));
    let has = |name: &str, directory: &Path| directory.join(name).is_file();
    found
        .into_iter()
        .rev()
        .find(|directory| has("initdb", directory) && has("postgres", directory))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
