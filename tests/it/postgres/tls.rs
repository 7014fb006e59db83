//! TLS to PostgreSQL: who it must be, and what is said where it is not.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;

/// Makes certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, in a file.
    fn root(&self, scene: &Scene, name: &str) -> PathBuf {
        scene.place.write(name, &self.0.as_ref().pem())
    }

    /// A key with a certificate for a host, in a file.
    fn server(&self, scene: &Scene, host: &str) -> PathBuf {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let both = format!("{}{}", key.serialize_pem(), certificate.pem());
        scene.place.write(&format!("{host}.pem"), &both)
    }
}

#[test]
fn postgres_must_show_that_it_is_who_the_address_names() {
    let test = "postgres_must_show_that_it_is_who_the_address_names";
    let Some(mut scene) = Scene::new(test) else {
        return;
    };
    let (authority, stranger) = (Authority::new("right"), Authority::new("wrong"));
    let right = authority.root(&scene, "right.pem");
    let wrong = stranger.root(&scene, "wrong.pem");
    let port = scene.server.port();
    let url = |host: &str, parameters: &str| {
        format!("postgres://outrigger:{PASSWORD}@{host}:{port}/shared?{parameters}")
    };
    let verified = |host: &str, root: &std::path::Path| {
        url(
            host,
            &format!("sslmode=verify-full&sslrootcert={}", root.display()),
        )
    };
    let export = |scene: &Scene, url: &str| {
        scene.configure(url, "");
        let arguments = ["definitions", "export", "--config", "outrigger.yml"];
        let output = run_to_end(scene.place.path(), &arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!told.contains(PASSWORD), "{told}");
        (output.status.success(), told)
    };
    #[track_caller]
    fn refused((succeeded, told): (bool, String), parts: &[&str]) {
        assert!(!succeeded);
        for part in ["connect to PostgreSQL"].iter().chain(parts) {
            assert!(told.contains(part), "{part:?} in {told}");
        }
    }

    // A server without it is not taken for one that has it.
    let plain = export(&scene, &verified("localhost", &right));
    refused(plain, &["does not support TLS", "ssl = on"]);

    scene.server.secure(&authority.server(&scene, "localhost"));
    refused(
        export(&scene, &verified("localhost", &wrong)),
        &["UnknownIssuer", "sslrootcert="],
    );
    // Without a word of the CA only those of the system count.
    refused(
        export(&scene, &url("localhost", "sslmode=verify-full")),
        &["UnknownIssuer", "sslrootcert="],
    );
    refused(
        export(&scene, &verified("127.0.0.1", &right)),
        &["not valid for name", "host name"],
    );
    let missing = scene.place.join("missing.pem");
    refused(
        export(&scene, &verified("localhost", &missing)),
        &["No such file"],
    );
    let by_ca = format!("sslmode=verify-ca&sslrootcert={}", right.display());
    let (succeeded, told) = export(&scene, &url("127.0.0.1", &by_ca));
    assert!(succeeded, "the CA alone is asked for: {told}");
    let (succeeded, told) = export(&scene, &verified("localhost", &right));
    assert!(succeeded, "{told}");

    // The process goes on with the right one, and only what is encrypted.
    let outrigger = scene.start("data");
    let made = ask(&outrigger, "POST", METRICS, "", &metric("A", "A"));
    assert_eq!(made.status, 201, "{made:?}");
    let of_ours = "SELECT count(*), bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'outrigger'";
    let seen = scene.server.sql(of_ours);
    let (count, encrypted) = seen.trim().split_once('|').unwrap();
    assert!(
        count.parse::<u32>().unwrap() > 0 && encrypted == "t",
        "{seen}"
    );
    drop(outrigger);

    // The server's certificate is another one's now: nothing is written to it, and the log says what to do.
    scene.server.secure(&stranger.server(&scene, "localhost"));
    let outrigger = scene.start("other");
    let made = ask(&outrigger, "POST", METRICS, "", &metric("B", "B"));
    assert_eq!(made.status, 503, "{made:?}");
    assert!(
        outrigger.log().contains("sslrootcert="),
        "{}",
        outrigger.log()
    );
    assert!(!outrigger.log().contains(PASSWORD));
}
