//! Units as Grafana names them: those we write, and all that it knows.
//!
//! <https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/#unit>

use serde::Serialize;

use crate::charts::unit::Unit as Meaning;

/// A unit of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// A number.
    #[serde(rename = "short")]
    Number,
    /// A share, 1 being all.
    #[serde(rename = "percentunit")]
    Share,
    /// A share, 100 being all.
    #[serde(rename = "percent")]
    Percent,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Thousandths of a second.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Seconds as a time that has passed: `3 days`.
    #[serde(rename = "dtdurations")]
    Duration,
    /// Bytes, in powers of 1024.
    #[serde(rename = "bytes")]
    Bytes,
    /// Bytes each second.
    #[serde(rename = "binBps")]
    BytesPerSecond,
    /// Requests each second.
    #[serde(rename = "reqps")]
    RequestsPerSecond,
    /// Operations each second.
    #[serde(rename = "ops")]
    OperationsPerSecond,
    /// Things each second.
    #[serde(rename = "cps")]
    CountPerSecond,
    /// Yes or no.
    #[serde(rename = "bool_yes_no")]
    YesNo,
}

impl Unit {
    /// The unit of what values were found to mean.
    pub fn of(meaning: Meaning) -> Self {
        match meaning {
            Meaning::Plain => Self::Number,
            Meaning::Seconds => Self::Seconds,
            Meaning::Bytes => Self::Bytes,
            Meaning::BytesPerSecond => Self::BytesPerSecond,
            Meaning::PerSecond => Self::CountPerSecond,
            Meaning::Ratio => Self::Share,
            Meaning::Percent => Self::Percent,
        }
    }
}

/// Whether Grafana knows a unit by this name.
pub fn is_known(name: &str) -> bool {
    let free = ["suffix:", "prefix:", "time:", "si:", "count:", "currency:"];
    free.iter().any(|start| {
        name.strip_prefix(start)
            .is_some_and(|rest| !rest.is_empty())
    }) || KNOWN.split_whitespace().any(|known| known == name)
}

/// The name that looks most like this one.
pub fn nearest(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let same = |known: &&str| known.to_ascii_lowercase() == lower;
    let words = [
        ("seconds", "s"),
        ("second", "s"),
        ("milliseconds", "ms"),
        ("byte", "bytes"),
        ("percentage", "percent"),
        ("ratio", "percentunit"),
        ("number", "short"),
        ("count", "short"),
        ("rps", "reqps"),
        ("req/s", "reqps"),
        ("bytes/s", "binBps"),
        ("minutes", "m"),
        ("hours", "h"),
    ];
    KNOWN.split_whitespace().find(same).or_else(|| {
        let word = words.iter().find(|(word, _)| *word == lower);
        word.map(|(_, unit)| *unit)
    })
}

/// Grafana's units, by the groups of its menu.
const KNOWN: &str = "
    none string short sishort percent percentunit humidity dB candela hex0x hex sci locale pixel
    accMS2 accFt2 accG
    degree radian grad arcmin arcsec
    areaM2 areaF2 areaMI2 acres hectares
    flops mflops gflops tflops pflops eflops zflops yflops
    ppm conppb conngm3 conngNm3 conμgm3 conμgNm3 conmgm3 conmgNm3 congm3 congNm3 conmgdL conmmolL
    currencyUSD currencyGBP currencyEUR currencyJPY currencyRUB currencyUAH currencyBRL currencyDKK currencyISK
    currencyNOK currencySEK currencyCZK currencyCHF currencyPLN currencyBTC currencymBTC currencyμBTC currencyZAR
    currencyINR currencyKRW currencyIDR currencyPHP currencyVND currencyTRY currencyMYR currencyXPF currencyBGN currencyPYG
    currencyUYU currencyILS currencyKES currencyAED currencyHUF currencyARS currencyMXN currencyCLP currencyRON
    bytes decbytes bits decbits kbytes deckbytes mbytes decmbytes gbytes decgbytes tbytes dectbytes pbytes decpbytes
    binBps Bps binbps bps KiBs Kibits KBs Kbits MiBs Mibits MBs Mbits GiBs Gibits GBs Gbits TiBs Tibits TBs Tbits PiBs
    Pibits PBs Pbits pps
    dateTimeAsIso dateTimeAsIsoNoDateIfToday dateTimeAsUS dateTimeAsUSNoDateIfToday dateTimeAsLocal
    dateTimeAsLocalNoDateIfToday dateTimeAsSystem dateTimeFromNow
    watt kwatt megwatt gwatt mwatt Wm2 voltamp kvoltamp voltampreact kvoltampreact watth watthperkg kwatth kwattm amph
    kamph mamph joule ev amp kamp mamp volt kvolt mvolt dBm mohm ohm kohm Mohm farad µfarad nfarad pfarad ffarad henry
    mhenry µhenry lumens
    flowgpm flowcms flowcfs flowcfm litreh flowlpm flowmlpm lux
    forceNm forcekNm forceN forcekN
    Hs KHs MHs GHs THs PHs EHs
    massmg massg masslb masskg masst
    lengthmm lengthin lengthft lengthm lengthkm lengthmi
    pressurembar pressurebar pressurekbar pressurepa pressurehpa pressurekpa pressurehg pressurepsi
    radbq radci radgy radrad radsv radmsv radusv radrem radexpckg radr radsvh radmsvh radusvh
    rotrpm rothz rotrads rotdegs
    celsius fahrenheit kelvin
    hertz ns µs us ms s m h d dtdurationms dtdurations dthms dtdhms timeticks clockms clocks
    cps ops reqps rps wps iops eps mps recps rowsps cpm opm reqpm rpm wpm epm mpm recpm rowspm
    velocityms velocitykmh velocitymph velocityknot
    mlitre litre m3 Nm3 dm3 gallons
    bool bool_yes_no bool_on_off";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_that_is_written_is_one_that_grafana_knows() {
        for unit in [
            Unit::Number,
            Unit::Share,
            Unit::Percent,
            Unit::Seconds,
            Unit::Milliseconds,
            Unit::Duration,
            Unit::Bytes,
            Unit::BytesPerSecond,
            Unit::RequestsPerSecond,
            Unit::OperationsPerSecond,
            Unit::CountPerSecond,
            Unit::YesNo,
        ] {
            let name = serde_json::to_value(unit).unwrap();
            assert!(is_known(name.as_str().unwrap()), "{name}");
        }
    }

    #[test]
    fn unknown_units_are_told_from_free_ones_and_get_a_likely_name() {
        assert!(is_known("suffix: widgets") && !is_known("suffix:"));
        assert!(!is_known("") && !is_known("seconds"));
        assert_eq!(nearest("seconds"), Some("s"));
        assert_eq!(nearest("Bytes"), Some("bytes"));
        assert_eq!(nearest("widgets"), None);
    }
}
