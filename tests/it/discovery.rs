//! Targets that come and go in a file.

use crate::support::outrigger::Outrigger;
use crate::support::place::Place;
use crate::support::scene::FAST;
use crate::support::service::Service;
use crate::support::wait::{PATIENCE, wait_until};

#[test]
fn targets_of_a_file_come_and_go_with_it() {
    let place = Place::new();
    let (first, second) = (Service::start("one 1\n"), Service::start("two 2\n"));
    let group = |address: &str, team: &str| {
        format!("[{{\"targets\": [\"{address}\"], \"labels\": {{\"team\": \"{team}\"}}}}]")
    };
    place.write("targets/a.json", &group(&first.address(), "red"));
    let config = format!(
        "{FAST}rule_files: []\nscrape_configs:\n\
         - {{job_name: shop, file_sd_configs: [{{files: ['targets/*.json'], refresh_interval: 1h}}]}}\n"
    );
    place.write("outrigger.yml", &config);
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    outrigger.wait_for_value("one{team=\"red\"}", 1.0);

    place.write("targets/b.json", &group(&second.address(), "blue"));
    outrigger.wait_for_value("two{team=\"blue\"}", 2.0);

    // Broken: what it said before goes on.
    place.write("targets/a.json", "[{");
    outrigger.wait_for_value("two", 2.0);
    assert_eq!(outrigger.value("one"), Some(1.0));

    place.replace("targets/a.json", &group(&first.address(), "green"));
    outrigger.wait_for_value("one{team=\"green\"}", 1.0);
    wait_until("the labels of before to end", PATIENCE, || {
        outrigger.value("one{team=\"red\"}").is_none()
    });

    std::fs::remove_file(place.join("targets/b.json")).unwrap();
    wait_until("the series of the removed target to end", PATIENCE, || {
        outrigger.query("two").is_empty()
    });
    assert!(outrigger.query("up{team=\"blue\"}").is_empty());
}
